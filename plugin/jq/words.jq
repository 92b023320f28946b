# words.jq: words that all pictures of the graph share.

def replicas:
  if .containers == null then "" elif .kind == "datastore" then (if .running == 0 then "stopped" else "" end)
  elif .running == .containers then "\(.containers) replica\(if .containers == 1 then "" else "s" end)"
  else "\(.running) of \(.containers) replicas run" end;

def time: if . == null then "" elif . < 10 then " \(. * 10 | round / 10) ms" else " \(round) ms" end;

# What stands at an edge: the alias and port, and how it went. Never told by colour alone.
def health:
  if .state == "ok" then "ok\(.ms | time)" elif .state == "broken" then "broken: \(.layer)" else "not measured" end;

def address: "\(.alias):\(.port)";
