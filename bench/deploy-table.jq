# deploy-table.jq: the results of bench/deploy as a page of Markdown.

def names: {
  a: "the article's recipe (`--net`, `--net-alias`)",
  b: "Dokku's `attach-post-create`",
  c: "Dokku's `attach-post-deploy`",
  d: "`interservice:link`"
};
def endings: {drain: "finishes what it accepted", exit: "exits at once"};
def kinds: ["new", "first", "keepalive", "stream"];

def cell: if . == null then "–" else "\(if .failed > 0 then "**\(.failed)**" else "0" end) of \(.sent), \(.slowest_ms | round) ms" end;

. as $all
| [.results[].ending] | unique as $endings
| "# A deploy under load\n",
  "Measured by `make bench-deploy` with Docker \($all.engine): a provider that boots for \($all.boot_s) s, two rebuilds and a",
  "scale from 2 to 4 to 1; each request has \($all.limit_s) s. Failed of sent, and the slowest.\n",
  "![Failed requests](\($all.picture))\n",
  ($endings[] as $ending
   | "\nA provider that \(endings[$ending]):\n",
     "| linked by | new connection | first address only | kept connection | stream of 5 s |",
     "|---|---|---|---|---|",
     (("a", "b", "c", "d") as $scheme
      | [$all.results[] | select(.scheme == $scheme and .ending == $ending)]
      | select(length > 0)
      | (map({key: .kind, value: .}) | from_entries) as $by_kind
      | "| \(names[$scheme]) | \([kinds[] | $by_kind[.] | cell] | join(" | ")) |")),
  "\nA client of the first kind resolves the name for each request and tries each address in turn, as curl does;",
  "the second tries only the first; the third keeps its connection; the fourth reads a long answer.",
  (if $endings | index("exit") then
    "Where the provider exits at once that one is cut: what it had accepted nobody can finish. (With",
    "`interservice:set <app> drain 6` Dokku stops it only when those are done, too.)"
   else empty end)
