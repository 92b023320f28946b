# deploy-svg.jq: the results of bench/deploy as a picture: how many of a thousand requests failed.

def names: {a: "article's recipe", b: "attach-post-create", c: "attach-post-deploy", d: "interservice"};
def endings: {drain: "provider finishes what it accepted", exit: "provider exits at once"};
def kinds: ["new", "first", "keepalive", "stream"];
def legend: {new: "new connection", first: "first address only", keepalive: "kept connection", stream: "stream of 5 s"};

def row: 15;                       # a bar
def group: (kinds | length) * row + 12;
def left: 150;
def full: 480;                     # the longest bar
def permille: if .sent > 0 then 1000 * .failed / .sent else 0 end;

def text($x; $y; $class): "<text x=\"\($x)\" y=\"\($y)\" class=\"\($class)\">\(.)</text>";

. as $all
| ([.results[] | permille] + [1] | max) as $most
| ([.results[].ending] | unique) as $endings
| (40 + ($endings | length) * (4 * group + 50)) as $height
| "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 \($height)\" font-family=\"sans-serif\" font-size=\"12\" role=\"img\" aria-label=\"Failed requests during deploys\">",
  "<style>",
  ".paper{fill:#fff}text{fill:#222}.title{font-size:14px;font-weight:bold}.name{text-anchor:end}.none{fill:#777}",
  ".new{fill:#d1495b}.first{fill:#edae49}.keepalive{fill:#00798c}.stream{fill:#6a4c93}",
  "@media(prefers-color-scheme:dark){.paper{fill:#16181d}text{fill:#e8e8e8}.none{fill:#999}}",
  "</style>",
  "<rect class=\"paper\" width=\"800\" height=\"\($height)\"/>",
  (kinds | to_entries[] | .value as $kind | (.key * 160 + left) as $x
   | "<rect x=\"\($x)\" y=\"12\" width=\"12\" height=\"12\" class=\"\($kind)\"/>", (legend[$kind] | text($x + 18; 22; ""))),
  ($endings | to_entries[] | .value as $ending | (44 + .key * (4 * group + 50)) as $top
   | ("Failed of a thousand requests, \(endings[$ending])" | text(12; $top + 12; "title")),
     (["a", "b", "c", "d"] | to_entries[] | .value as $scheme | ($top + 26 + .key * group) as $y
      | (names[$scheme] | text(left - 10; $y + 2 * row + 3; "name")),
        (kinds | to_entries[] | .value as $kind | ($y + .key * row) as $at
         | ($all.results[] | select(.scheme == $scheme and .ending == $ending and .kind == $kind))
         | (permille / $most * full) as $width
         | (if .failed == 0 then "none" else "" end) as $class
         | "<rect x=\"\(left)\" y=\"\($at + 2)\" width=\"\($width * 10 | round / 10)\" height=\"\(row - 4)\" class=\"\($kind)\"/>",
           ("\(.failed) of \(.sent)" | text(left + $width + 6; $at + 11; $class))))),
  "</svg>"
