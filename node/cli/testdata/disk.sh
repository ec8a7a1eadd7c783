# What a full disk and a read-only one do to a node. Runs in a mount namespace of its own:
# disk.sh CLRNODE FOLDER DEMO.ZIP BIG.CSV PORT
set -u
clrnode=$1 disk=$2 zip=$3 csv=$4 port=$5
node=
trap '[ -z "$node" ] || kill -9 $node 2>/dev/null' EXIT
fail() { echo "FAIL: $*"; exit 1; }
run() { "$clrnode" "$@" --data "$disk/d" --quiet >"$disk/../out" 2>&1; }
says() { grep -q "$1" "$disk/../out" || fail "not said: $1; but: $(head -c 1000 "$disk/../out")"; }
fill() { head -c $((($(df -k --output=avail "$disk" | tail -1) - $1 * 1024) * 1024)) /dev/zero >"$disk/fill"; }
# ask asks the node over HTTP: ask METHOD PATH.
ask() {
	exec 3<>"/dev/tcp/localhost/$port"
	printf '%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$1" "$2" "$token" >&3
	cat <&3 >"$disk/../out"
	exec 3>&-
}

mount -t tmpfs -o size=400m none "$disk" || exit 77
run publishers add "Full College" --verify signature,hosted || fail "no publisher: $(cat "$disk/../out")"
publisher=$(cat "$disk/../out")
run token create --scope issue || fail "no token: $(cat "$disk/../out")"
token=$(cat "$disk/../out")

# Nearly full: a sentence, and nothing is written.
fill 50
run import "$zip" && fail "it imported onto a full disk"
says 'the disk is nearly full, so nothing more is written: [0-9]* MB are free at .*: make room'
rm "$disk/fill"
run doctor || fail "unsound: $(cat "$disk/../out")"

# A node whose disk fills up in the middle of a job or an import goes on reading, and goes
# on with them by itself once there is room.
"$clrnode" --data "$disk/d" --demo=false --listen "localhost:$port" >"$disk/../node" 2>&1 &
node=$!
for i in $(seq 300); do [ -S "$disk/d/node.sock" ] && run status && break; sleep 0.1; done
run import "$zip" || fail "import: $(cat "$disk/../out")"
run import "$csv" || fail "import: $(cat "$disk/../out")"
ask POST "/v1/publishers/$publisher/issue"
kill -STOP $node # in the middle
fill 50
kill -CONT $node
job=$(sed -n 's/^Location: .*\(\/v1\/jobs\/[a-z0-9]*\).*/\1/p' "$disk/../out")
[ -n "$job" ] || fail "no job: $(cat "$disk/../out")"
for i in $(seq 300); do
	ask GET "$job" && grep -q '"state": *"running".*nearly full' <(tr -d '\r\n' <"$disk/../out") && break
	[ "$i" = 300 ] && fail "the job doesn't wait: $(cat "$disk/../out")"
	sleep 0.1
done
ask POST "/v1/publishers/$publisher/issue"
says '^HTTP/1.1 503 '
says 'disk is nearly full, and nothing was changed'
rm "$disk/fill"
for i in $(seq 600); do
	ask GET "$job" && grep -q '"state": *"done"' "$disk/../out" && break
	[ "$i" = 600 ] && fail "the job doesn't go on: $(cat "$disk/../out")"
	sleep 0.1
done
for try in 1 2 3 4 5 6; do # until one is caught in the middle
	sed "s/,R/,R$try-/" "$csv" >"$csv.$try"
	"$clrnode" import "$csv.$try" --data "$disk/d" --quiet >"$disk/../import" 2>&1 &
	import=$!
	sleep 0.$((7 - try))
	fill 50
	wait $import || break
	[ $try = 6 ] && fail "the imports were too short for this test"
	rm "$disk/fill"
done
csv=$csv.$try
grep -q 'nearly full' "$disk/../import" || fail "the import says $(cat "$disk/../import")"
run learners || fail "a node on a full disk doesn't read: $(cat "$disk/../out")"
run import "$csv" && fail "it staged an import on a full disk"
says 'nearly full'
rm "$disk/fill"
for i in $(seq 300); do
	run import "$csv" && grep -q '^0 new, 0 changed' "$disk/../out" && break
	[ "$i" = 300 ] && fail "the import doesn't go on: $(cat "$disk/../out")"
	sleep 0.1
done
run doctor || fail "unsound: $(cat "$disk/../out")"
kill -INT $node
wait $node

# Full to the last byte, at once: the process may end on the spot, and nothing is lost.
"$clrnode" --data "$disk/d" --demo=false --listen "localhost:$port" >"$disk/../node" 2>&1 &
node=$!
for i in $(seq 300); do [ -S "$disk/d/node.sock" ] && run status && break; sleep 0.1; done
fill 0
run publishers add "Another College" && fail "it wrote onto a full disk"
kill -9 $node
wait $node 2>/dev/null
run status && fail "it opens a store on a full disk"
says 'open store .*nearly full.*make room'
rm "$disk/fill"
run doctor || fail "unsound: $(cat "$disk/../out")"

# Read-only: a sentence, and nothing changes.
mount -o remount,ro "$disk" || fail "remount"
run status && fail "it opens a store on a read-only disk"
says 'read-only file system'
[ "$(wc -l <"$disk/../out")" = 1 ] || fail "more than a sentence: $(cat "$disk/../out")"
mount -o remount,rw "$disk"
run doctor || fail "unsound: $(cat "$disk/../out")"
run import "$zip" || fail "import: $(cat "$disk/../out")"
grep -q '^0 new, 0 changed' "$disk/../out" || fail "something was lost: $(cat "$disk/../out")"
echo PASS
