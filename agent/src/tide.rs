//! When a flood is over: then the memory it took goes back to the system.

/// From so many tasks on it is a flood: each connection and each session is one.
const MANY: usize = 64;
/// With so few it is over: those of the agent itself, and some people's.
const FEW: usize = 16;

/// How many tasks there were.
#[derive(Debug, Default)]
pub struct Tide {
    is_high: bool,
}

impl Tide {
    /// Looks at how many tasks there are now; true once, when few are left of many.
    pub fn has_ebbed(&mut self, tasks: usize) -> bool {
        if tasks >= MANY {
            self.is_high = true;
        }
        tasks <= FEW && std::mem::take(&mut self.is_high)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_over_once() {
        let mut tide = Tide::default();
        let ebbed = [7, 63, 7, 64, 30, 500, 17, 16, 7, 64, 7].map(|tasks| tide.has_ebbed(tasks));
        assert_eq!(ebbed, [false, false, false, false, false, false, false, true, false, false, true]);
    }
}
