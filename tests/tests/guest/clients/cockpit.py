# What Cockpit's web server says to the bridge, and then asks it to run `id -u` where it must have privileges. Prints how often
# a password was asked for, and the uid. The protocol: cockpit's doc/protocol.md.
import json
import subprocess
import sys

password = sys.argv[1]
bridge = subprocess.Popen(["cockpit-bridge"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
asked = 0


def send(message, channel=""):
    payload = channel.encode() + b"\n" + json.dumps(message).encode()
    bridge.stdin.write(str(len(payload)).encode() + b"\n" + payload)
    bridge.stdin.flush()


def receive():
    line = bridge.stdout.readline()
    if not line:
        sys.exit("the bridge is gone")
    payload = bridge.stdout.read(int(line))
    channel, _, data = payload.partition(b"\n")
    return channel.decode(), data


while True:
    channel, data = receive()
    if channel == "one":
        print("asked", asked)
        print("uid", data.decode().strip())
        break
    message = json.loads(data) if channel == "" else {}
    command = message.get("command")
    if command == "init":
        send({"command": "init", "version": 1, "host": "localhost", "superuser": {"id": "sudo"}})
    elif command == "authorize":
        asked += 1
        send({"command": "authorize", "cookie": message["cookie"], "response": password})
    elif command == "superuser-init-done":
        send({"command": "open", "channel": "one", "payload": "stream", "spawn": ["id", "-u"], "superuser": "require"})
    elif command == "close":
        print("no privileged bridge:", message.get("problem"))
        sys.exit(1)
bridge.stdin.close()
bridge.wait(20)
