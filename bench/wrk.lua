-- What wrk found, as one line of JSON; and, given a number of members, logins instead of one GET.
local members, password, csrf

function init(args)
  members, password, csrf = tonumber(args[1] or ""), args[2], args[3]
  math.randomseed(tonumber(args[4] or 0))
  if members then
    function request()
      local body = string.format(
        "csrfmiddlewaretoken=%s&email=bench%d%%40example.org&password=%s",
        csrf, math.random(0, members - 1), password)
      local address = string.format(
        "10.%d.%d.%d", math.random(0, 255), math.random(0, 255), math.random(1, 254))
      return wrk.format("POST", nil, {
        ["Host"] = wrk.headers["Host"],
        ["Cookie"] = "csrf=" .. csrf,
        ["Content-Type"] = "application/x-www-form-urlencoded",
        ["X-Forwarded-For"] = address,
      }, body)
    end
  end
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
