-- wrk: sixteen requests at once (RFC 9112 section 9.3.2), so that a million of them take seconds.
init = function()
  batch = string.rep(wrk.format("GET"), 16)
end
request = function()
  return batch
end
