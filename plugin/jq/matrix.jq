# matrix.jq: the audit (docs/status.md) for people: a row a caller, a column a service, by number.
# In: the audit on stdin; $colour ("" or "1").

def paint($code): if $colour == "" then . else "\u001b[\($code)m\(.)\u001b[0m" end;
def pad($width): . + (" " * ($width - length) // "");
def lead($width): (" " * ($width - length) // "") + .;

def cell:
  if . == null then " "
  elif .reachable == null then "?" | paint("33")
  elif .declared and .reachable then "L" | paint("32")
  elif .declared then "!" | paint("31")
  elif .reachable then "u" | paint("33")
  else "." end;

.pairs as $pairs
| ([$pairs[] | .caller, .service] | unique) as $names
| ($names | map(length) | max // 0) as $width
| ($names | length | tostring | length) as $digits
| (" " * ($width + $digits + 1)) + ([range(1; ($names | length) + 1) | tostring | "  " + lead($digits)] | join("")),
  ($names | to_entries[] | .key as $row | .value as $name
   | "\($row + 1 | tostring | lead($digits)) \($name | pad($width))"
     + ([$names[] | . as $service
         | "  " + (" " * ($digits - 1) // "")
           + (if $service == $name then "=" else [$pairs[] | select(.caller == $name and .service == $service)][0] | cell end)]
        | join("") | sub(" +$"; ""))),
  "",
  "L linked, ! linked and not reachable, u reachable without a link, . not reachable, ? not measured",
  ([$pairs[] | select(.reachable and (.declared | not)) | . as $pair | .over[] | {network: ., pair: "\($pair.caller) -> \($pair.service)"}]
   | group_by(.network)[] | "without a link, over \(.[0].network): \(map(.pair) | join(", "))")
