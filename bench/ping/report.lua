-- What bench/ping/run reads: requests a second, p99 in microseconds, requests that failed.
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("report %.0f %.0f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
