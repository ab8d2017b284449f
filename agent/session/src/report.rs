//! What a monitor tells its parent, the spawner, so that one that dies or hangs leaves nothing running.

use std::io;
use std::time::Duration;

use crate::channel::Channel;

/// A report. The monitor sends, the spawner listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It has an order: fork another idle one. Then as [`Self::Within`].
    Taken(Option<Duration>),
    /// Kill it unless it reports again within this time; `None`: it waits for something without an end.
    Within(Option<Duration>),
    /// Its session's cgroup, if not the one prepared for it (nested): path below the subtree.
    Cgroup(String),
}

impl Report {
    /// Sends it. A report that can't be sent means that the spawner is gone; the monitor goes on alone.
    pub fn send(&self, spawner: &Channel) {
        let mut message = Vec::new();
        match self {
            Self::Taken(time) | Self::Within(time) => {
                let time =
                    time.map_or(u64::MAX, |time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX - 1));
                message.push(if matches!(self, Self::Taken(_)) { 1 } else { 2 });
                message.extend_from_slice(&time.to_le_bytes());
            }
            Self::Cgroup(path) => {
                message.push(3);
                message.extend_from_slice(path.as_bytes());
            }
        }
        let _ = spawner.send(&message, &[], false);
    }

    /// Receives the next one, if there is one.
    ///
    /// # Errors
    /// `WouldBlock` if there is none, `UnexpectedEof` if the monitor is gone, `InvalidData` for nonsense.
    pub fn receive(monitor: &Channel) -> io::Result<Self> {
        // A path can't be longer than PATH_MAX: the folder could not have been made.
        let mut buffer = [0; 1 + 4096];
        let length = monitor.receive(&mut buffer, false)?.length;
        let (tag, body) =
            buffer.get(..length).and_then(<[u8]>::split_first).ok_or(io::ErrorKind::InvalidData)?;
        match tag {
            1 | 2 => {
                let time = u64::from_le_bytes(body.try_into().map_err(|_| io::ErrorKind::InvalidData)?);
                let time = (time != u64::MAX).then(|| Duration::from_millis(time));
                Ok(if *tag == 1 { Self::Taken(time) } else { Self::Within(time) })
            }
            3 => {
                let path = String::from_utf8(body.to_vec()).map_err(|_| io::ErrorKind::InvalidData)?;
                Ok(Self::Cgroup(path))
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_report_arrives_as_it_was_sent() {
        let (monitor, spawner) = Channel::pair().unwrap();
        let reports = [
            Report::Taken(Some(Duration::from_mins(1))),
            Report::Within(None),
            Report::Within(Some(Duration::from_millis(1500))),
            Report::Cgroup("s-1/s-2".to_owned()),
        ];
        for report in reports {
            report.send(&monitor);
            assert_eq!(Report::receive(&spawner).unwrap(), report);
        }
    }
}
