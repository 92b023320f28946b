# table.jq: the document (docs/status.md) for people: a line a link, and what is broken, why, and the
# command that mends it.
# In: the document on stdin; $colour ("" or "1"), $only ("" or "broken"), $replicas ("" or "1": also a line
#     a replica, below its link), $first ("" or "broken": what is broken comes before the rest).

def pad($width): . + (" " * ($width - length) // "");
def paint($code): if $colour == "" then . else "\u001b[\($code)m\(.)\u001b[0m" end;
def time: if . == null then "-" elif . < 1 then "\(. * 100 | round / 100) ms" elif . < 10 then "\(. * 10 | round / 10) ms" else "\(round) ms" end;

# Rows of cells: each column as wide as its widest, but for the last one.
def align:
  (transpose | map(map(length) | max)) as $widths
  | map(. as $cells | [range(0; length - 1) | . as $i | $cells[$i] | pad($widths[$i])] + [$cells[-1]]);

def service: .service + (if .process == null or .process == "web" then "" else "@\(.process)" end);

def columns: ["CALLER", "SERVICE", "ALIAS", "ATTACHED", "RESOLVES", "ANSWERS", "TIME", "STATE"];

def row: [
  .caller,
  service,
  .alias,
  "\([.callers[] | select(.joined)] | length)/\(.callers | length)",
  (.resolve.addresses // [] | if length == 0 then "-" elif length == 1 then .[0] else "\(.[0]) +\(length - 1)" end),
  "\([.replicas[] | select(.ok)] | length)/\(.replicas | length)",
  (.slowest_ms | time),
  (if .state == "ok" then "ok" else .layer end)];

# What each replica said, and how many of the requests of --spread it answered.
def replica($answered): [
  .address // "-",
  .container,
  "connect \(.connect_ms | time)",
  "first octet \(.first_byte_ms | time)",
  ([(.share | if . == null then empty elif $answered == 0 then "0" else "\(.) (\(. * 100 / $answered | round) %)" end),
    .error // (if .resolved then empty else "not behind the name" end)] | join("  "))];

def replicas:
  ((.requests // 0) - (.unanswered // 0)) as $answered
  | ([.replicas[] | replica($answered)] | if length == 0 then empty else align[] | "  " + join("  ") | sub(" +$"; "") end),
    (if .requests == null then empty
     else "  \(.requests) requests, " + ("\(.unanswered) unanswered" | if startswith("0 ") then . else paint("31") end) end);

def explain:
  select(.state != "ok")
  | "\(" !     " | paint("31"))\(.caller) -> \(service): \(.layer)",
    "       \(.cause)",
    "       \(if .mend | test("^dokku ([a-z]+:)?logs ") then "look into it with" else "mend it with" end): \(.mend | paint("1"))";

def table:
  ([columns] + map(row) | align) as $rows
  | ($rows[0] | join("  ")),
    (to_entries[] | $rows[.key + 1] as $cells | .value
     | ($cells[:-1] | join("  ")) + "  " + ($cells[-1] | if . == "ok" then paint("32") else paint("31") end),
       (if $replicas == "" then empty else replicas end));

if $only == "broken" then .links[] | explain
elif $first == "broken" then (.links | sort_by(.state != "broken")) | (.[] | explain), table
else .links | table, (.[] | explain) end
