# prometheus.jq: the document (docs/status.md) in Prometheus' text format, for node_exporter's
# textfile collector. In: the document on stdin.

def quote: gsub("\\\\"; "\\\\") | gsub("\""; "\\\"") | gsub("\n"; "\\n");
def labels($pairs): [$pairs | to_entries[] | "\(.key)=\"\(.value | tostring | quote)\""] | join(",");
def seconds: . / 1000 * 1000000 | round / 1000000;
def of_link: {caller, service, process: (.process // ""), alias};
def metric($name; $help): "# HELP \($name) \($help)", "# TYPE \($name) gauge";

metric("interservice_link_up"; "Whether every layer of the link works, measured from inside the caller."),
(.links[] | "interservice_link_up{\(labels(of_link))} \(if .state == "ok" then 1 else 0 end)"),
metric("interservice_link_broken"; "1 for the first layer that fails."),
(.links[] | select(.layer != null) | "interservice_link_broken{\(labels(of_link + {layer}))} 1"),
metric("interservice_link_replicas"; "Containers that stand for the service."),
(.links[] | "interservice_link_replicas{\(labels(of_link))} \(.replicas | length)"),
metric("interservice_link_replicas_answering"; "Those that answered."),
(.links[] | "interservice_link_replicas_answering{\(labels(of_link))} \([.replicas[] | select(.ok)] | length)"),
metric("interservice_link_resolve_seconds"; "Time to resolve the alias."),
(.links[] | select(.resolve.ms != null) | "interservice_link_resolve_seconds{\(labels(of_link))} \(.resolve.ms | seconds)"),
metric("interservice_replica_connect_seconds"; "Time to connect to a container of the service."),
(.links[] | of_link as $link | .replicas[] | select(.connect_ms != null)
  | "interservice_replica_connect_seconds{\(labels($link + {container}))} \(.connect_ms | seconds)"),
metric("interservice_replica_first_byte_seconds"; "Time until the first octet of its answer."),
(.links[] | of_link as $link | .replicas[] | select(.first_byte_ms != null)
  | "interservice_replica_first_byte_seconds{\(labels($link + {container}))} \(.first_byte_ms | seconds)"),
metric("interservice_status_timestamp_seconds"; "When this was measured."),
"interservice_status_timestamp_seconds \(.time | fromdate)"
