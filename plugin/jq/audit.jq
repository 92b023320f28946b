# audit.jq: who can reach whom. In: on stdin "caller|service|network|true, false or null" lines, as measured;
# $services all names a line, $links "caller|service" lines, $only: only what concerns it.

def lines: split("\n") | map(select(. != ""));

(reduce (inputs | split("|")) as $line ({}; .[$line[0:2] | join("|")] += [{network: $line[2], reachable: ($line[3] | fromjson)}])) as $seen
| ($links | lines | map({key: ., value: true}) | from_entries) as $linked
| ($services | lines | unique) as $names
| [$names[] as $caller | select($caller | contains(":") | not)
   | $names[] as $service | select($service != $caller)
   | select($only == "" or $caller == $only or $service == $only)
   | "\($caller)|\($service)" as $pair
   | ($seen[$pair] // [{network: null, reachable: null}]) as $found
   | {caller: $caller, service: $service,
      declared: ($linked[$pair] // false),
      reachable: (if any($found[]; .reachable) then true elif any($found[]; .reachable == null) then null else false end),
      over: [$found[] | select(.reachable) | .network] | unique}]
| {schema: "interservice.audit/1", time: $time, pairs: .}
