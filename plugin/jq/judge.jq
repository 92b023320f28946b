# judge.jq: what was measured of each link becomes one verdict: the first layer that fails, the
# likely cause, the command that mends it. docs/status.md describes the document that comes out.
#
# In:  $links       a line a link (see plugin/measure)
#      $containers  what `docker inspect` knows of callers' and services' containers
#      $networks    who stands on the service networks
#      $answers     number of a link, tab, a line of `probe check` (or of its complaint)
#      $facts       number of a link, tab, name, tab, text: what was looked up because the link is broken
# Each layer is a function that gives {layer, cause, mend}, or nothing.

def fields($names): split("|") as $values
  | [$names, $values] | transpose | map({key: .[0], value: (.[1] // "")}) | from_entries;

def words: if . == "" then [] else split(" ") end;

# {number of a link: [rest of its lines]}
def by_link: [split("\n")[] | select(. != "") | {at: (index("\t")), line: .}
    | {link: .line[:.at], rest: .line[.at + 1:]}]
  | group_by(.link) | map({key: .[0].link, value: map(.rest)}) | from_entries;

def bare: split("/")[0];
def names: map(.name) | join(", ");

($containers | map(.name |= ltrimstr("/") | {key: .id, value: .}) | from_entries) as $by_id
| ($answers | by_link) as $checks
| ($facts | by_link) as $found

# address -> who has it; networks of one engine do not overlap
| ([($containers[] | . as $c | (.networks // {}) | to_entries[]
      | {key: (.value.IPAddress, .value.GlobalIPv6Address), value: {id: $c.id, name: ($c.name | ltrimstr("/")), network: .key}}),
    ($networks[] | . as $n | (.members // {}) | to_entries[]
      | {key: (.value.IPv4Address, .value.IPv6Address | . // "" | bare), value: {id: .key, name: .value.Name, network: $n.name}})]
   | map(select((.key // "") != "")) | from_entries) as $owners

| def look_up($ids): [$ids[] | $by_id[.] // empty];

def address_on($network): (.networks // {})[$network].IPAddress // "" | if . == "" then null else . end;
def variable($name): [.env[]? | select(startswith($name + "="))][0] // null
  | if . == null then null else .[($name | length) + 1:] end;
def known_as($network; $alias): (.networks // {})[$network].Aliases // [] | index($alias) != null;
def url($alias; $port; $path): "http://\($alias)\(if $port == "80" then "" else ":" + $port end)\($path)";

def fact($name): [.found[] | select(startswith($name + "\t")) | .[($name | length) + 1:]];
def verdict($layer; $cause; $mend): {layer: $layer, cause: $cause, mend: $mend};
def sync($app): "dokku interservice:sync \($app)";
def restart($app): "dokku ps:restart \($app)";

# What restarts a service: an app or a datastore.
def renew: if .service | contains(":") then (.service | split(":") | "dokku \(.[0]):restart \(.[1])") else restart(.service) end;

# What the service itself says of it.
def logs: if .service | contains(":") then (.service | split(":") | "dokku \(.[0]):logs \(.[1])") else "dokku logs \(.service)" end;

# --- the layers

def running:
  if .outage != "" then verdict("running"; .outage; .outage_mend) else empty end;

def network:
  . as $l
  | if .network == "" then verdict("network"; "there is no network on which \(.service) is called \(.alias)"; sync(.caller))
    else
      ([.callers[] | select((.networks // {} | has($l.network)) | not)]) as $out
      | if $out | length > 0 then
          verdict("network"; "\($out | names) is not on the network of \(.service), \(.network)"; sync(.caller))
        else
          ([.providers[] | select((.networks // {} | has($l.network)) | not)]) as $out
          | if $out | length > 0 then
              verdict("network"; "\($out | names) is not on its network, \(.network)"; sync(.service))
            else empty end
        end
    end;

def probed:
  if .check != null then empty
  elif .complaint | test("No such container|non running|not running") then
    verdict("running"; "\(.measured_in) ended while it was looked at"; "dokku ps:start \(.caller)")
  else
    verdict("probe"; "the probe could not look from inside \(.measured_in // .caller): \(.complaint)"; "dokku interservice:sync --images")
  end;

def nameless: . as $l | [.providers[] | select(known_as($l.network; $l.alias) | not)];

# The caller asks somebody else than Docker's resolver.
def other_resolver: fact("resolv") | map(select(startswith("nameserver ")) | ltrimstr("nameserver "))
  | if length > 0 and index("127.0.0.11") == null then . else empty end;

def resolves:
  . as $l
  | (nameless) as $nameless
  | if .check.resolve.ok | not then
      if $nameless | length > 0 then
        verdict("resolves"; "\($nameless | names) is on \(.network) without the name \(.alias)"; sync(.service))
      else
        ((other_resolver | verdict("resolves"; "\($l.measured_in) asks \(join(", ")) for names and not Docker's resolver (its /etc/resolv.conf was replaced)"; restart($l.caller)))
         // verdict("resolves"; "\(.alias) cannot be resolved in \(.measured_in): \(.check.resolve.error)"; renew))
      end
    else empty end;

# Take out the docker-option of the caller that starts so.
def undo($start):
  if .declared | not then "dokku interservice:link \(.caller) \(.service)"
  else
    ([fact("option")[] | select(startswith($start))][0] // null) as $option
    | (if $option then "dokku docker-options:remove \(.caller) build,deploy,run \"\($option)\" && " else "" end) + restart(.caller)
  end;

# Who put a foreign address behind the name?
def shadow($strangers):
  . as $l
  | ($strangers | map(.address)) as $wrong
  | ($strangers | map(.address + (if .owner then " (\(.owner.name))" else "" end)) | join(", ")) as $whom
  | (fact("hosts") | map(split(" ") | select(.[0] as $a | $wrong | index($a) != null) | select(.[1:] | index($l.alias) != null))) as $hosts
  | (.prober.links // [] | map(select(endswith("/" + $l.alias)))) as $links
  | (.prober.hosts // [] | map(select(startswith($l.alias + ":")))) as $extra
  | if $hosts | length > 0 then
      if $links | length > 0 then
        verdict("address"; "/etc/hosts of \(.measured_in) says \($whom): Docker's legacy --link wrote it there, and it comes before DNS"; undo("--link"))
      elif $extra | length > 0 then
        verdict("address"; "/etc/hosts of \(.measured_in) says \($whom): --add-host \($extra[0]) wrote it there, and it comes before DNS"; undo("--add-host"))
      else
        verdict("address"; "/etc/hosts of \(.measured_in) says \($whom), and it comes before DNS"; restart(.caller))
      end
    elif nameless | length > 0 then
      verdict("address"; "it resolves to \($whom), a stranger that only public DNS knows: \(nameless | names) is on \(.network) without the name \(.alias)"; sync(.service))
    else
      (other_resolver
       | verdict("address"; "it resolves to \($whom): \($l.measured_in) asks \(join(", ")) for names and not Docker's resolver"; restart($l.caller)))
      //
      (fact("absolute")[0] // null
       | select(. != null) | fromjson | select([.addresses[]?.address] - $wrong == [.addresses[]?.address])
       | ($l | fact("resolv") | map(select(startswith("search ")))[0] // "search ?" | ltrimstr("search ")) as $search
       | verdict("address"; "it resolves to \($whom): \($l.alias) is looked up as \($l.alias).\($search | split(" ") | join(" or " + $l.alias + ".")) first (search domain of \($l.measured_in))"; $l | undo("--dns-search")))
      //
      verdict("address"; "it resolves to \($whom), which is not \(.service)"; renew)
    end;

def address:
  [.targets[] | select(.ours | not) | select(.on_network | not)] as $strangers
  | if $strangers | length > 0 then shadow($strangers) else empty end;

# One or all of the replicas are not in the answer.
def complete:
  ([.targets[].address]) as $seen | . as $l
  | [.providers[] | address_on($l.network) as $a | select($a != null and ($seen | index($a)) == null)] as $unseen
  | if ($unseen | length > 0) and ([.targets[] | select(.on_network)] | length > 0) then
      verdict("resolves"; "\(.alias) stands for \($seen | length) of \(.providers | length) containers; missing: \($unseen | names)"; sync(.service))
    else empty end;

# The link made again with another port.
def relink($port):
  "dokku interservice:unlink \(.caller) \(.service) --process \(.process) --no-restart && dokku interservice:link \(.caller) \(.service)"
  + " --process \(.process) --alias \(.alias) --port \($port)"
  + (if .path == "" then "" else " --path '\(.path)'" end) + (if .variable == "" then "" else " --env \(.variable)" end)
  + (if .attach == "deploy" then "" else " --attach \(.attach)" end);

def of_whom: if .owner then "\(.owner.name) (\(.address))" else .address end;
def foreign($l): "docker network disconnect \($l.network) \(.owner.name)";

def connects:
  . as $l
  | [.targets[] | select(.ok | not) | select(.phase == "connect")] as $bad
  | if $bad | length == 0 then empty
    else
      $bad[0] as $first
      | ($bad | map(of_whom) | join(", ")) as $whom
      | ([.providers[] | select(.id == $first.owner.id)][0] // {} | variable("PORT") // "") as $port
      | if $first.ours | not then
          verdict("connects"; "\($whom) answers to \(.alias) and takes no connections; it is none of \(.service)'s containers"; $first | foreign($l))
        elif $first.error | test("refuse") | not then
          verdict("connects"; "\($whom), port \(.port): \($first.error) (a firewall of this host?)"; renew)
        elif fact("local") | length > 0 then
          ([.providers[] | select(.id == $first.owner.id) | variable("HOST") // "" | select(. == "127.0.0.1" or . == "localhost")][0] // null) as $host
          | verdict("connects"; "\($whom) listens on 127.0.0.1 only, where nobody else can connect; "
              + (if $host then "its variable HOST says so" else "its start command or its settings have to say 0.0.0.0:\(.port)" end);
              if $host then "dokku config:set \(.service) HOST=0.0.0.0" else logs end)
        elif $port != "" and $port != (.port | tostring) then
          verdict("connects"; "\($whom) was told to listen on \($port); the link says \(.port)";
            if .extra | split(",") | index("port") != null then relink($port) else restart(.service) end)
        else
          verdict("connects"; "\($whom), port \(.port): \($first.error)"; renew)
        end
    end;

def answers:
  . as $l
  | [.targets[] | select(.ok | not) | select(.phase != "connect")] as $bad
  | if $bad | length == 0 then
      if .unanswered > 0 then
        verdict("answers"; "\(.unanswered) of \(.requests) requests got no answer, though each of \(.service)'s containers gave one before"; logs)
      else empty end
    elif $bad[0].ours | not then
      verdict("answers"; "\($bad | map(of_whom) | join(", ")) answers to \(.alias) and does not speak \(.protocol); it is none of \(.service)'s containers"; $bad[0] | foreign($l))
    else
      verdict("answers"; "\($bad | map(of_whom) | join(", ")) takes connections on port \(.port) and does not answer as \(.protocol): \($bad[0].error)";
        if $bad[0].error | test("in time") then renew else logs end)
    end;

def app:
  . as $l
  | [.targets[] | select(.ours | not)] as $foreign
  | if $foreign | length > 0 then
      verdict("app"; "\($foreign | map(of_whom) | join(", ")) answers to \(.alias) too and is none of \(.service)'s containers"; $foreign[0] | foreign($l))
    else empty end;

def port:
  . as $l
  | (fact("port")[0] // null) as $now
  | ([.providers[] | variable("PORT") // "" | select(. != "" and . != ($l.port | tostring))][0] // null) as $started
  | if .process != "web" or (.extra | split(",") | index("port") != null) then empty
    elif ($now // $started) == null or ($now // $started) == (.port | tostring) then empty
    else verdict("port"; "\(.service) is on port \($now // $started) now; the link says \(.port)"; restart(.service)) end;

# Each container of the caller was told where the service is.
def variable:
  . as $l
  | [url(.alias; .port | tostring; .path), (.former | words[] | url(.; $l.port | tostring; $l.path))] as $right
  | if .variable == "" then empty
    else
      [.callers[] | variable($l.variable) as $value | select($right | index($value) == null) | {name, value: $value}] as $out
      | if $out | length == 0 then empty
        else
          ($out | names) as $whom
          | (fact("config")[0] // null) as $config
          | if $config != null and ($right | index($config) == null) then
              verdict("variable"; "\(.variable) of \(.caller) was changed; \(.service) is at \($right[0])"; "dokku config:set \(.caller) \(.variable)=\($right[0])")
            elif $out[0].value == null then
              verdict("variable"; "\($whom) was started before \(.variable) was set"; restart(.caller))
            else
              verdict("variable"; "\($whom) was started with another \(.variable) than it would be now"; restart(.caller))
            end
        end
    end;

# --- the document

def targets:
  . as $l
  | [.check.addresses[]? | . as $a
     | ($owners[$a.address] // null) as $owner
     | $a + {owner: $owner, share: (if $l.spread == null then null else $l.spread[$a.address] // 0 end),
             on_network: ($owner != null and $owner.network == $l.network),
             ours: ($owner != null and ([$l.providers[].id] | index($owner.id) != null)
                    and ($owner.network == $l.network or ($l.declared | not)))}];

def replicas:
  . as $l
  | [.providers[] | . as $c
     | ([$l.targets[] | select(.owner.id == $c.id)][0] // null) as $t
     | {container: .name, address: ($t.address // address_on($l.network)),
        via: ($t.owner.network // (if address_on($l.network) then $l.network else null end)), resolved: ($t != null),
        ok: ($t != null and $t.ours and $t.ok), phase: ($t.phase // null), connect_ms: ($t.connect_ms // null),
        first_byte_ms: ($t.first_byte_ms // null), status: ($t.status // null), error: ($t.error // null),
        share: ($t.share // null)}];

[$links | split("\n") | map(select(. != "")) | to_entries[]
 | (.key | tostring) as $number
 | .value | fields(["declared", "caller", "service", "process", "alias", "port", "path", "variable", "attach", "former", "extra",
                    "network", "callers", "prober", "providers", "serving", "protocol", "outage", "outage_mend"])
 | .declared = (.declared == "true")
 | .port |= tonumber
 | .callers |= look_up(words)
 | .providers |= look_up(words)
 | .network as $network | .alias as $alias
 # who carries the name and is not of the last deploy serves until that is published
 | ((.serving | look_up(words)) - .providers | map(select(known_as($network; $alias)))) as $before
 | if $before != [] then .providers = $before + (.providers | map(select((.networks // {}) | has($network)))) else . end
 | .prober = ($by_id[.prober] // null)
 | .measured_in = (.prober.name // null)
 | ($checks[$number] // []) as $lines
 | .check = ([$lines[] | select(startswith("{")) | fromjson?][0] // null)
 | .complaint = ([$lines[] | select(startswith("{") | not)] | if length > 0 then join("; ") else "no answer" end)
 | .spread = (.check.spread // null)
 | .requests = (.check.requests // null)
 | .unanswered = (.check.unanswered // null)
 | .found = ($found[$number] // [])
 | .targets = targets
 | (first(running, network, probed, resolves, address, complete, connects, answers, app, port, variable) // null) as $verdict
 | replicas as $replicas
 | {caller, service, process: (if .process == "" then null else .process end), alias, port, path, protocol,
    variable: (if .variable == "" then null else .variable end), declared, network: (if .network == "" then null else .network end),
    state: (if $verdict then "broken" else "ok" end),
    layer: $verdict.layer, cause: $verdict.cause, mend: $verdict.mend,
    callers: (. as $l | [.callers[] | {container: .name, joined: ((.networks // {}) | has($l.network))}]),
    measured_in,
    resolve: (if .check then {ok: .check.resolve.ok, ms: .check.resolve.ms, error: .check.resolve.error, addresses: .check.resolve.addresses} else null end),
    replicas: $replicas,
    strangers: [.targets[] | select(.ours | not) | {address, container: (.owner.name // null), ok, phase, status, error, share}],
    requests, unanswered,
    slowest_ms: ([$replicas[] | .first_byte_ms // .connect_ms | select(. != null)] | max)}]
| {schema: "interservice.status/1", time: $time, ok: (map(.state == "ok") | all), links: .}
