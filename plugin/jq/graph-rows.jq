# graph-rows.jq: the rows of the page's table, what is broken first. In: the graph on stdin.
import "words" as words;

def node: (.nodes | map({key: .name, value: .}) | from_entries);

node as $node
| [.edges | to_entries[] | .value + {number: .key}]
| sort_by(if .state == "broken" then 0 elif .kind != "undeclared" then 1 else 2 end)[]
| "<tr data-edge=\"\(.number)\"><th scope=\"row\">\(.from | @html)</th><td>\(.to | @html)</td>"
  + (if .kind == "undeclared" then
       "<td>over \(.over | join(", ") | @html)</td><td></td><td>reachable without a link</td><td></td>"
     else
       "<td><code>\(words::address | @html)</code></td><td>\(if .answering == null then $node[.to].containers // "" | tostring else "\(.answering) of \($node[.to].containers // "?") answer" end)</td>"
       + "<td class=\"\(.state)\">\(words::health | @html)</td>"
       + "<td>\(if .cause then "\(.cause | @html)<br><code>\(.mend | @html)</code>" else "" end)</td>"
     end)
  + "</tr>"
