# graph-mermaid.jq: the graph for Mermaid, which GitHub and GitLab draw. In: the graph on stdin.
import "words" as words;

def quote: "\"" + gsub("\""; "#quot;") + "\"";

(.nodes | to_entries | map({key: .value.name, value: "n\(.key)"}) | from_entries) as $id
| .edges as $edges
| def styled($state): [$edges | to_entries[] | select(.value.kind != "undeclared" and .value.state == $state) | .key];
  "flowchart LR",
  (.nodes[] | "  \($id[.name])\(if .kind == "datastore" then "[(" else "[" end)"
    + ([.name, words::replicas] | map(select(. != "")) | join("<br>") | quote)
    + (if .kind == "datastore" then ")]" else "]" end)),
  ($edges[]
   | if .kind == "undeclared" then "  \($id[.from]) -.-> \($id[.to])"
     else "  \($id[.from]) -->|\("\(words::address)<br>\(words::health)" | quote)| \($id[.to])" end),
  (styled("ok") | select(length > 0) | "  linkStyle \(map(tostring) | join(",")) stroke:#1a7f37"),
  (styled("broken") | select(length > 0) | "  linkStyle \(map(tostring) | join(",")) stroke:#cf222e,stroke-width:3px")
