# graph-dot.jq: the graph in Graphviz' language. Colours are for those who look at its picture alone;
# classes are for graph.css. In: the graph on stdin.
#
# Graphviz' best layout of a large graph takes minutes, and texts at hundreds of edges hide each other: so the
# search is bounded (nslimit), and above sixty links their texts are tooltips; the page has a table of them.
import "words" as words;

def quote: "\"" + (gsub("\\\\"; "\\\\") | gsub("\""; "\\\"")) + "\"";
def colour: if .state == "ok" then "#1a7f37" elif .state == "broken" then "#cf222e" else "#6e7781" end;

# The slower, the thicker: from 1 at a millisecond to 4 at a second.
def width: if .ms == null then 1 else [[1 + (.ms | if . < 1 then 0 else log10 end), 4] | min, 1] | max end;

def tip: "\(.from) calls \(.to) as \(words::address), \(words::health)" + (if .cause then ": \(.cause)" else "" end);

([.edges[] | select(.kind != "undeclared")] | length > 60) as $large
| "digraph interservice {",
"  graph [rankdir=LR, bgcolor=transparent, nslimit=1, nslimit1=1, \(if $large then "nodesep=0.12, ranksep=0.8" else "nodesep=0.3, ranksep=1.1" end), fontname=\"Helvetica,Arial,sans-serif\", tooltip=\" \"];",
"  node [shape=box, style=\"rounded,filled\", fillcolor=\"#f6f8fa\", color=\"#57606a\", fontcolor=\"#1f2328\", fontname=\"Helvetica,Arial,sans-serif\", fontsize=13];",
"  edge [fontname=\"Helvetica,Arial,sans-serif\", fontsize=10, arrowsize=0.7, fontcolor=\"#1f2328\"];",
(.nodes | to_entries[] | .key as $i | .value
 | "  \(.name | quote) [id=\"n\($i)\", class=\(.kind + (if .running == 0 then " down" else "" end) | quote)"
   + ", label=" + ([.name, words::replicas] | map(select(. != "")) | join("\n") | quote | gsub("\n"; "\\n"))
   + (if .kind == "datastore" then ", shape=cylinder, style=filled" else "" end)
   + ", tooltip=\(.name | quote)];"),
(.edges | to_entries[] | .key as $i | .value
 | "  \(.from | quote) -> \(.to | quote) [id=\"e\($i)\", "
   + (if .kind == "undeclared" then
        "class=\"undeclared\", style=dashed, color=\"#6e7781\", arrowsize=0.5, constraint=false, tooltip=\("\(.from) can reach \(.to) over \(.over | join(", ")) without a link" | quote)];"
      else
        "class=\(.state | quote), color=\(colour | quote)"
        + (if $large then "" else ", label=\("\(words::address)\n\(words::health)" | quote | gsub("\n"; "\\n"))" end)
        + ", penwidth=\(width * 100 | round / 100)" + (if .state == "broken" then ", arrowhead=teetee" else "" end)
        + ", tooltip=\(tip | quote)];"
      end)),
"}"
