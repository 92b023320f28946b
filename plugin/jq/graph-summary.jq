# graph-summary.jq: the graph in a sentence, for the page. In: the graph on stdin.

def count($n; $one): "\($n) \($one)\(if $n == 1 then "" else "s" end)";

[.edges[] | select(.kind != "undeclared")] as $links
| ([$links[] | select(.state == "broken")] | length) as $broken
| "<p>\(count(.nodes | map(select(.kind == "app")) | length; "app")), \(count(.nodes | map(select(.kind == "datastore")) | length; "datastore")), "
  + "\(count($links | length; "link")); \(if .measured == null then "nothing was measured yet" elif $broken == 0 then "none is broken" else "\($broken) broken" end).</p>",
  (if .measured then "<p class=\"quiet\">Measured \(.measured | @html) with <code>dokku interservice:status</code>.</p>"
   else "<p class=\"quiet\">To measure: <code>dokku interservice:graph --measure --format html</code></p>" end)
