-- wrk: DEPTH requests at once (16 with `-- 16`), and one line of what came back.
local batch

function init(arguments)
  local requests = {}
  for i = 1, tonumber(arguments[1] or 1) do
    requests[i] = wrk.format("GET")
  end
  batch = table.concat(requests)
end

function request()
  return batch
end

function done(summary, _, _)
  local errors = summary.errors
  io.write(string.format("report %d %d %d\n", summary.requests, summary.duration,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
