# graph.jq: links and what was measured of them become one graph (docs/graph.md).
# In: $links     "declared|caller|service|process|alias|port|…" lines, as in the store
#     $stands    "name|running|all" lines: containers of each
#     $measured  the last status document, or nothing; $audited likewise
#     $only      an app: what it calls and who calls it, directly or not; else ""
#     $dashed    "1": what can be reached without a link, too

def lines: split("\n") | map(select(. != "") | split("|"));
def kind: if contains(":") then "datastore" else "app" end;

# All names that can be reached from $names over $pairs of [from, to].
def closure($names; $pairs):
  ($names + [$pairs[] | select(.[0] as $from | $names | index([$from]) != null) | .[1]] | unique) as $more
  | if $more == $names then $names else closure($more; $pairs) end;

($measured[0] // {links: []}) as $status
| ($audited[0] // {pairs: []}) as $audit
| ($status.links | map({key: "\(.caller)|\(.service)|\(.process // "")", value: .}) | from_entries) as $known
| ($stands | lines | map({key: .[0], value: {running: (.[1] | tonumber), containers: (.[2] | tonumber)}}) | from_entries) as $stand

| [$links | lines[] | {declared: .[0], from: .[1], to: .[2], process: .[3], alias: .[4], port: (.[5] | tonumber)}
   | ($known["\(.from)|\(.to)|\(.process)"] // null) as $m
   | {from, to, process: (if .process == "" then null else .process end), alias, port,
      kind: (if .declared == "true" then "link" else "datastore" end),
      state: ($m.state // "unknown"), layer: $m.layer, cause: $m.cause, mend: $m.mend, ms: $m.slowest_ms,
      answering: (if $m then [$m.replicas[] | select(.ok)] | length else null end), over: null}] as $wished
| (if $dashed == "" then [] else
     [$audit.pairs[] | select(.reachable and (.declared | not))
      | {from: .caller, to: .service, process: null, alias: null, port: null, kind: "undeclared", state: "unknown",
         layer: null, cause: null, mend: null, ms: null, answering: null, over}]
   end) as $undeclared

| ($wished | map([.from, .to])) as $pairs
| (if $only == "" then [$wished[], $undeclared[] | .from, .to] | unique
   else closure([$only]; $pairs) + closure([$only]; $pairs | map([.[1], .[0]])) | unique end) as $names
| ($names | map({key: ., value: true}) | from_entries) as $shown
| {schema: "interservice.graph/1", measured: ($status.time // null),
   audited: (if $dashed == "" then null else $audit.time // null end),
   nodes: [$names[] | {name: ., kind: kind} + ($stand[.] // {running: null, containers: null})],
   edges: [$wished[], $undeclared[] | select($shown[.from] and $shown[.to])]}
