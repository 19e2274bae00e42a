-- A script for wrk: POSTs BODY, in which every @@@@@@@@ becomes a number, so that no answer can come from a cache.
-- Environment: BODY, KEY, TARGET (the path), HEADERS (further lines, each with its end). Prints one line of JSON after RESULT.
local body = os.getenv("BODY")
local at = body:find("@@@@@@@@", 1, true)
local head = "POST " .. os.getenv("TARGET") .. " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer "
  .. os.getenv("KEY") .. "\r\n" .. os.getenv("HEADERS") .. "Content-Length: " .. #body .. "\r\n\r\n" .. body:sub(1, at - 1)
local tail = body:sub(at + 8)
math.randomseed(os.time())
local number = math.random(0, 80000000)

request = function()
  number = number + 1
  return head .. string.format("%08d", number % 100000000) .. tail
end

done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    'RESULT {"requests":%d,"us":%d,"bytes":%d,"p50":%.1f,"p99":%.1f,"errors":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
