# table.jq: the document (docs/status.md) for people: a line a link, and below it what is broken, why,
# and the command that mends it.
# In: the document on stdin; $colour ("" or "1"), $only ("" or "broken").

def pad($width): . + (" " * ($width - length) // "");
def paint($code): if $colour == "" then . else "\u001b[\($code)m\(.)\u001b[0m" end;
def time: if . == null then "-" elif . < 10 then "\(. * 10 | round / 10) ms" else "\(round) ms" end;

def columns: ["CALLER", "SERVICE", "ALIAS", "ATTACHED", "RESOLVES", "ANSWERS", "TIME", "STATE"];

def row: [
  .caller,
  .service + (if .process == null or .process == "web" then "" else "@\(.process)" end),
  .alias,
  "\([.callers[] | select(.joined)] | length)/\(.callers | length)",
  (.resolve.addresses // [] | if length == 0 then "-" elif length == 1 then .[0] else "\(.[0]) +\(length - 1)" end),
  "\([.replicas[] | select(.ok)] | length)/\(.replicas | length)",
  (.slowest_ms | time),
  (if .state == "ok" then "ok" else .layer end)];

def lines:
  [columns] + map(row)
  | (transpose | map(map(length) | max)) as $widths
  | map(. as $cells | [range(0; length - 1) | . as $i | $cells[$i] | pad($widths[$i])] + [$cells[-1]]);

def explain:
  "\(" !     " | paint("31"))\(.caller) -> \(.service)\(if .process == null or .process == "web" then "" else "@\(.process)" end): \(.layer)",
  "       \(.cause)",
  "       mend it with: \(.mend | paint("1"))";

def shares:
  select(any(.replicas[]; .share != null))
  | ([.replicas[].share // 0] | add) as $sum
  | "\(.caller) -> \(.service): \($sum) requests",
    (.replicas[] | "       \(.container)  \(.address // "-")  \(.share // 0)\(if $sum > 0 then " (\((.share // 0) * 100 / $sum | round) %)" else "" end)");

if $only == "broken" then
  .links[] | select(.state != "ok") | explain
else
  (.links | lines | .[0] | join("  ")),
  (.links | lines | .[1:][] | (.[:-1] | join("  ")) + "  " + (.[-1] | if . == "ok" then paint("32") else paint("31") end)),
  (.links[] | shares),
  (.links[] | select(.state != "ok") | explain)
end
