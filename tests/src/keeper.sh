# Keeps one guest: started in a mount namespace of its own, with
#   LOWER (overlay's lower folders), WORK (folder), NAME
# Prints the pid of systemd-nspawn; starts the guest again for each line "again", once it is down; ends the guest and
# removes WORK when its stdin ends - that is when the test program ends, however it does.
set -eu
mkdir -p "$WORK/upper" "$WORK/overlay" "$WORK/root"
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$WORK/upper,workdir=$WORK/overlay" "$WORK/root"

groups=
options=
if [ ! -d /run/systemd/system ]; then
    # Nobody here gives the guest cgroups of its own: they are ours to make, so that guests don't meet.
    options=--keep-unit
    for tree in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
        if [ -e "$tree/cgroup.procs" ]; then
            mkdir -p "$tree/$NAME"
            echo $$ >"$tree/$NAME/cgroup.procs"
            groups="$groups $tree/$NAME"
        fi
    done
fi

start() {
    SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setpriv --pdeathsig KILL systemd-nspawn --quiet --register=no $options \
        --private-network --machine="$NAME" --directory="$WORK/root" --boot </dev/null >>"$WORK/console" 2>&1 &
    nspawn=$!
    echo $nspawn
}
start

verdict=remove
while read -r word; do
    if [ "$word" = again ]; then
        wait $nspawn || true
        start
    else
        verdict=$word
        break
    fi
done
# The guest's init goes first, and with it all of the guest: nspawn then cleans up by itself.
for init in $(cat /proc/$nspawn/task/$nspawn/children 2>/dev/null); do
    kill -KILL "$init" 2>/dev/null || true
done
tries=50
while kill -0 $nspawn 2>/dev/null && [ $tries -gt 0 ]; do
    sleep 0.1
    tries=$((tries - 1))
done
kill -KILL $nspawn 2>/dev/null || true
wait $nspawn 2>/dev/null || true
umount -l "$WORK/root" || true
for group in $groups; do
    echo $$ >"${group%/*}/cgroup.procs" || true
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
done
if [ "$verdict" = remove ]; then
    rm -rf "$WORK"
fi
