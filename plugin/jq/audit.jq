# audit.jq: who can reach whom. In: on stdin "caller|service|network|true or false" lines, as measured;
# $services "service|…" lines, $links "caller|service" lines, $only: only what concerns it.

def table: split("\n") | map(select(. != "") | split("|"));

([inputs | split("|")]) as $seen
| ($links | table | map(join("|")) | unique) as $linked
| ([($seen[] | .[0], .[1]), ($services | table[] | .[0])] | unique) as $names
| [$seen | group_by([.[0], .[1]])[]
   | {caller: .[0][0], service: .[0][1],
      declared: (.[0][0:2] | join("|") | . as $pair | $linked | index($pair) != null),
      reachable: any(.[]; .[3] == "true"),
      over: [.[] | select(.[3] == "true") | .[2]] | unique}]
| map(select($only == "" or .caller == $only or .service == $only))
| {schema: "interservice.audit/1", time: $time, pairs: .}
