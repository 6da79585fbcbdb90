-- wrk's script: sends the requests of a file in turn, from an offset on, and prints what it counted as JSON.
-- A line of the file is a path, and after a tab a token where the app asks for one.
local requests = {}
local next_request

function init(args)
  for line in io.lines(args[1]) do
    local path, token = line:match("^([^\t]*)\t?(.*)$")
    local headers = token ~= "" and { Authorization = "Bearer " .. token } or {}
    requests[#requests + 1] = wrk.format("GET", path, headers)
  end
  next_request = tonumber(args[2]) % #requests
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency, _)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"p50":%.3f,"p99":%.3f,"errors":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    e.connect + e.read + e.write + e.status + e.timeout))
end
