# graph-text.jq: the graph as a tree: below each app what it calls. In: the graph on stdin; $colour.
import "words" as words;

def paint($code): if $colour == "" then . else "\u001b[\($code)m\(.)\u001b[0m" end;

def node: .name + (words::replicas | if . == "" then "" else " (\(.))" end);

def edge:
  "\(words::address)  " + (words::health | if startswith("ok") then paint("32") elif startswith("broken") then paint("31") else . end);

. as $graph
| (.nodes | map({key: .name, value: .}) | from_entries) as $node
| [.edges[] | select(.kind != "undeclared")] as $edges
| ([$edges[].to] | unique) as $called
| ([.nodes[].name] - $called) as $roots

# What hangs below a name. $seen: names that were drawn already; gives {lines, seen}.
| def below($name; $indent; $seen):
    [$edges[] | select(.from == $name)] as $out
    | reduce range(0; $out | length) as $i ({lines: [], seen: $seen};
        $out[$i] as $edge
        | ($i == ($out | length) - 1) as $last
        | (.seen | index([$edge.to]) != null) as $again
        | .lines += ["\($indent)\(if $last then "└─ " else "├─ " end)\($node[$edge.to] | node) at \($edge | edge)\(if $again and any($edges[]; .from == $edge.to) then "  (see above)" else "" end)"]
        | if $again then . else
            below($edge.to; $indent + (if $last then "   " else "│  " end); .seen + [$edge.to]) as $more
            | {lines: (.lines + $more.lines), seen: $more.seen}
          end);
  # those that nobody calls first; then what only circles lead to
  reduce ($roots + $called)[] as $name ({lines: [], seen: []};
    if .seen | index([$name]) != null then .
    else
      below($name; ""; .seen + [$name]) as $more
      | {lines: (.lines + [$node[$name] | node | paint("1")] + $more.lines), seen: $more.seen}
    end)
| .lines[],
  ([$graph.edges[] | select(.kind == "undeclared")]
   | group_by(.over)[] | "without a link, over \(.[0].over | join(", ")): \(map("\(.from) -> \(.to)") | join(", "))")
