# The sandbox: process 1 of mount, pid, uts, ipc and cgroup namespaces of its own, on an overlay of this
# machine's file system. What is written here goes to memory, and is gone with this process.
#   STAGE  what the package would install
#   words  what to start inside
set -eu

# Only in this mount namespace is anything on /mnt.
here=/mnt
mount -t tmpfs -o mode=0755 tmpfs "$here"
mkdir "$here/root"

# The user namespace stays the machine's own: the agent refuses callers of another one.
upper=$here/upper work=$here/work
mkdir "$upper" "$work" "$upper/0" "$work/0"
chmod 755 "$upper/0"
mount -t overlay overlay -o "lowerdir=/,upperdir=$upper/0,workdir=$work/0" "$here/root"
number=1
for folder in /usr /var; do
    # Where these are file systems of their own.
    if mountpoint -q "$folder"; then
        mkdir "$upper/$number" "$work/$number"
        mount -t overlay overlay -o "lowerdir=$folder,upperdir=$upper/$number,workdir=$work/$number" \
            "$here/root$folder"
        number=$((number + 1))
    fi
done
mount --rbind /dev "$here/root/dev"
mount -t proc proc "$here/root/proc"
mount -t sysfs sysfs "$here/root/sys"
# Sessions get cgroups of their own; where this machine doesn't let us, `jitctl status` says so.
mount -t cgroup2 cgroup2 "$here/root/sys/fs/cgroup" 2>/dev/null || true
for folder in run tmp home; do
    mount -t tmpfs -o mode=0755 tmpfs "$here/root/$folder"
done
chmod 1777 "$here/root/tmp"
mkdir -p "$here/root/run/lock"

rm -rf "$here/root/etc/jit-sudo" "$here/root/var/lib/jit-sudo" "$here/root/var/lib/jit-sudo-login" \
    "$here/root/var/log/jit-sudo"
cp -a "$STAGE/." "$here/root/"

cd "$here/root"
pivot_root . mnt
umount -l /mnt
cd /
hostname demo

# What the package's postinst does, and two users. Nothing of it is seen outside.
getent group jit-admin >/dev/null || groupadd --system jit-admin
mkdir -m 700 /var/lib/jit-sudo /var/log/jit-sudo
mkdir -m 755 /var/lib/jit-sudo-login
for user in alice bob; do
    userdel "$user" 2>/dev/null || true
    useradd --create-home --shell /bin/bash "$user" 2>/dev/null
    echo "$user:demo" | chpasswd
done

# Not exec: process 1 stays this shell, which buries orphans.
"$@"
