# shellcheck shell=sh
# Waits until standard input closes, then stops the PostgreSQL server in the folder $1 and removes
# the folder.
folder=$1
trap '' HUP INT QUIT TERM
while read -r _; do :; done

processes() {
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$folder" -o -lname "$folder/*" \) 2>/dev/null | cut -d / -f 3
}
# kill_all SIGNAL: ignores processes that have exited since they were listed.
kill_all() {
  for process in $(processes); do kill -s "$1" "$process" 2>/dev/null; done
}

# On SIGQUIT the server releases its shared memory. A suspended server must be resumed first. The
# main process gets the signal only if it still runs: another program may have its process id.
main_process=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null)
case " $(processes | tr '\n' ' ')" in
*" $main_process "*)
  kill_all CONT
  kill -s QUIT "$main_process" 2>/dev/null
  attempts=100
  while [ "$attempts" -gt 0 ] && [ -n "$(processes)" ]; do
    sleep 0.02
    attempts=$((attempts - 1))
  done
  ;;
esac
while [ -n "$(processes)" ]; do
  kill_all KILL
  sleep 0.02
done

# After a crash the shared memory remains. Line 7 of postmaster.pid ends with its id.
memory=$(sed -n '7s/.* //p' "$folder/data/postmaster.pid" 2>/dev/null)
[ -z "$memory" ] || ipcrm -m "$memory" 2>/dev/null
rm -rf "$folder"
