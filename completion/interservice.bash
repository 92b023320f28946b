# shellcheck shell=bash
# bash completion of `dokku interservice:…`: commands, flags, apps, links. In ~/.bashrc or /etc/bash_completion.d:
#
#   source /var/lib/dokku/plugins/available/interservice/completion/interservice.bash
#
# What completes the other commands of dokku goes on doing so.

_interservice_home="$(cd -P "${BASH_SOURCE[0]%/*}" && pwd)"

# Dokku's own completion would be loaded at the first Tab, if there was none yet.
if ! complete -p dokku >/dev/null 2>&1 && declare -F __load_completion >/dev/null; then __load_completion dokku || true; fi
_interservice_others=""
if [[ "$(complete -p dokku 2>/dev/null)" =~ -F\ ([A-Za-z_][A-Za-z0-9_]*) && "${BASH_REMATCH[1]}" != _interservice ]]; then
  _interservice_others="${BASH_REMATCH[1]}"
fi

_interservice() {
  local line="${COMP_LINE:0:COMP_POINT}" current candidate
  local -a typed
  # bash takes words apart at colons; we do not
  read -ra typed <<<"$line"
  if [[ "$line" == *" " ]]; then typed+=(""); fi
  current="${typed[-1]}"
  if ((${#typed[@]} > 2)) && [[ "${typed[1]}" != interservice:* ]] || [[ "${#typed[@]}" == 2 && -n "$_interservice_others" ]]; then
    if [[ -n "$_interservice_others" ]]; then "$_interservice_others" "$@"; fi
    return
  fi
  COMPREPLY=()
  while IFS= read -r candidate; do
    # of what has a colon bash wants only what comes behind the last one that is typed
    if [[ "$candidate" == "$current"* ]]; then
      if [[ "$COMP_WORDBREAKS" == *:* && "$current" == *:* ]]; then candidate="${candidate#"${current%:*}:"}"; fi
      COMPREPLY+=("$candidate")
    fi
  done < <("$_interservice_home/candidates" "${typed[@]:1}" 2>/dev/null)
}

complete -F _interservice dokku
