# shellcheck shell=sh
# Ends the PostgreSQL server in the folder $1 and removes the folder, once nobody holds the other end of its input.
folder=$1
trap '' HUP INT QUIT TERM
while read -r _; do :; done

processes() {
  find /proc/[0-9]*/cwd -maxdepth 0 \( -lname "$folder" -o -lname "$folder/*" \) 2>/dev/null | cut -d / -f 3
}
# kill_all SIGNAL: one that ended in between is no failure.
kill_all() {
  for process in $(processes); do kill -s "$1" "$process" 2>/dev/null; done
}

# One that is told to quit gives its shared memory back; one that was frozen has to be thawed to hear it.
first=$(head -n 1 "$folder/data/postmaster.pid" 2>/dev/null)
case " $(processes | tr '\n' ' ')" in
*" $first "*)
  kill_all CONT
  kill -s QUIT "$first" 2>/dev/null
  left=100
  while [ "$left" -gt 0 ] && [ -n "$(processes)" ]; do
    sleep 0.02
    left=$((left - 1))
  done
  ;;
esac
while [ -n "$(processes)" ]; do
  kill_all KILL
  sleep 0.02
done

# After a crash the memory is left over; the file names it.
memory=$(sed -n '7s/.* //p' "$folder/data/postmaster.pid" 2>/dev/null)
[ -z "$memory" ] || ipcrm -m "$memory" 2>/dev/null
rm -rf "$folder"
