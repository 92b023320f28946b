# zsh completion of `dokku interservice:…`: commands, flags, apps, links. In ~/.zshrc, after compinit:
#
#   source /var/lib/dokku/plugins/available/interservice/completion/interservice.zsh
#
# What completes the other commands of dokku goes on doing so.

typeset -g _interservice_home="${${(%):-%x}:A:h}"
typeset -g _interservice_others="${_comps[dokku]:-}"

_interservice() {
  local -a candidates
  if [[ -n "$_interservice_others" && "$_interservice_others" != _interservice && "${words[2]}" != interservice:* ]]; then
    "$_interservice_others" "$@"
    return
  fi
  candidates=(${(f)"$("$_interservice_home/candidates" "${(@)words[2,CURRENT]}" 2>/dev/null)"})
  compadd -a candidates
}

compdef _interservice dokku
