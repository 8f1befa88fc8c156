-- What wrk found, as one line of JSON. Without arguments it goes on asking the one page; to log in, or
-- to browse with pauses, it is told how, and then counts the statuses as well.
local threads = {}

function setup(thread)
  table.insert(threads, thread)
end

local function log_in(password, csrf, accounts, addresses)
  function request()
    local body = string.format(
      "csrfmiddlewaretoken=%s&email=bench%d%%40example.org&password=%s",
      csrf, math.random(0, accounts - 1), password)
    local number = math.random(0, addresses - 1)
    local address = string.format(
      "10.%d.%d.%d", math.floor(number / 65536), math.floor(number / 256) % 256, number % 256)
    return wrk.format("POST", nil, {
      ["Host"] = wrk.headers["Host"],
      ["Cookie"] = "csrf=" .. csrf,
      ["Content-Type"] = "application/x-www-form-urlencoded",
      ["X-Forwarded-For"] = address,
    }, body)
  end
end

local function browse(pause, paths)
  function request()
    return wrk.format("GET", paths[math.random(#paths)])
  end

  function delay()  -- milliseconds
    return math.random(500, 1500) * pause
  end
end

function init(args)
  statuses = {}
  if not args[1] then return end
  math.randomseed(tonumber(args[2]))
  if args[1] == "log in" then
    log_in(args[3], args[4], tonumber(args[5]), tonumber(args[6]))
  else
    browse(tonumber(args[3]), { unpack(args, 4) })
  end

  function response(status)
    statuses[tostring(status)] = (statuses[tostring(status)] or 0) + 1
  end
end

function done(summary, latency)
  local counts, errors = {}, summary.errors
  for _, thread in ipairs(threads) do  -- one: see -t1
    for status, count in pairs(thread:get("statuses")) do
      table.insert(counts, string.format('"%s": %d', status, count))
    end
  end
  io.write(string.format(
    '\n{"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "refused": %d, "broken": %d, '
    .. '"statuses": {%s}}\n',
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    table.concat(counts, ", ")))
end
