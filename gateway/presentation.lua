-- What REST looks like: turns the transcoder's answers into the shapes of docs/reference/rest.md.
--
-- Each REST route carries its own context (made from the schema by gthulhu/gateway/render.py):
--   bare    the answer stays as it is
--   stream  the answer is an event stream, whose body is never touched
--   wide    where the answer holds 64-bit integers, as a tree of JSON keys: true is one, "*" is every key of a map
-- Routes without a context (native gRPC, static files, Envoy's own replies) pass through unchanged.

local byte, find, sub = string.byte, string.find, string.sub
local QUOTE = byte('"')

-- What a gRPC status means over HTTP, for errors that come without a finished answer: those of Envoy itself, and of
-- gRPC's own machinery in the manager. { HTTP status, code }
local STATUS = {
  ["1"] = { "503", "UNAVAILABLE" }, -- a manager that stops ends its calls so
  ["3"] = { "400", "INVALID_ARGUMENT" },
  ["4"] = { "504", "DEADLINE_EXCEEDED" },
  ["5"] = { "404", "NOT_FOUND" },
  ["6"] = { "409", "ALREADY_EXISTS" },
  ["7"] = { "403", "PERMISSION_DENIED" },
  ["8"] = { "429", "RESOURCE_EXHAUSTED" },
  ["9"] = { "400", "FAILED_PRECONDITION" },
  ["10"] = { "409", "ABORTED" },
  ["11"] = { "400", "OUT_OF_RANGE" },
  ["12"] = { "404", "NOT_FOUND" },
  ["14"] = { "503", "UNAVAILABLE" },
  ["16"] = { "401", "UNAUTHENTICATED" },
}
local INTERNAL = { "500", "INTERNAL" }

-- Returns the position of the quote that ends the string whose first quote stands at `at`.
local function string_end(json, at)
  local i = at + 1
  while true do
    i = find(json, '["\\]', i)
    if byte(json, i) == QUOTE then
      return i
    end
    i = i + 2
  end
end

-- Returns the position behind the list or object that begins at `at`.
local function container_end(json, at)
  local depth, i = 0, at
  repeat
    i = find(json, '["%[%]{}]', i)
    local char = sub(json, i, i)
    if char == '"' then
      i = string_end(json, i)
    elseif char == "{" or char == "[" then
      depth = depth + 1
    else
      depth = depth - 1
    end
    i = i + 1
  until depth == 0
  return i
end

-- Returns `json` with the integers that `tree` names unquoted. Keys of maps and all other strings stay as they are.
local function unquote(json, tree)
  local pieces, copied = {}, 1
  local value

  local function members(at, here)
    local i = find(json, '["}]', at + 1)
    while byte(json, i) == QUOTE do
      local last = string_end(json, i)
      -- No key of the schema holds an escape, so an escaped key is a map's and only "*" can stand for it.
      local below = here["*"] or here[sub(json, i + 1, last - 1)]
      i = value(find(json, "[^%s:]", last + 1), below)
      i = find(json, '["}]', i)
    end
    return i + 1
  end

  local function items(at, here)
    local i = find(json, "%S", at + 1)
    while sub(json, i, i) ~= "]" do
      i = value(i, here)
      i = find(json, "[^%s,]", i)
    end
    return i + 1
  end

  -- Looks at the value that begins at `at`, and returns the position behind it.
  value = function(at, here)
    local char = sub(json, at, at)
    if char == '"' then
      local last = string_end(json, at)
      if here == true and find(json, '^"%-?%d+"', at) then
        pieces[#pieces + 1] = sub(json, copied, at - 1)
        pieces[#pieces + 1] = sub(json, at + 1, last - 1)
        copied = last + 1
      end
      return last + 1
    elseif char == "{" then
      return type(here) == "table" and members(at, here) or container_end(json, at)
    elseif char == "[" then
      return here and items(at, here) or container_end(json, at)
    end
    return find(json, "[%s,%]}]", at) or #json + 1
  end

  value(find(json, "%S"), tree)
  if copied == 1 then
    return json
  end
  pieces[#pieces + 1] = sub(json, copied)
  return table.concat(pieces)
end

local function quote(text)
  return '"' .. text:gsub('[%c"\\\127]', function(char)
    return string.format("\\u%04x", byte(char))
  end) .. '"'
end

local function percent_decode(text)
  return (text:gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local function error_body(code, message)
  return '{"success":false,"error":' .. quote(message) .. ',"code":"' .. code .. '"}'
end

local function envelope(data)
  local time = os.date("!%Y-%m-%dT%H:%M:%SZ")
  if data == "" or data == "{}" then
    return '{"success":true,"timestamp":"' .. time .. '"}'
  end
  return '{"success":true,"data":' .. data .. ',"timestamp":"' .. time .. '"}'
end

-- Takes away what belongs to gRPC, and to the conversation between manager and gateway.
local function clean(headers)
  local names = {}
  for name in pairs(headers) do
    if find(name, "^grpc%-") or find(name, "^x%-rest%-") then
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(names) do
    headers:remove(name)
  end
end

local function set_body(handle, text)
  local length = handle:body(true):setBytes(text)
  local headers = handle:headers() -- those from before body() are not valid any more
  headers:replace("content-length", tostring(length))
  return headers
end

local function present_error(handle, headers, grpc_status)
  local status, body = headers:get("x-rest-status"), headers:get("x-rest-error")
  if not body then
    local meaning = STATUS[grpc_status] or INTERNAL
    local message = percent_decode(headers:get("grpc-message") or "")
    if meaning == INTERNAL or message == "" then
      message = "the request could not be answered"
    end
    status, body = meaning[1], error_body(meaning[2], message)
  end
  headers = set_body(handle, body)
  headers:replace(":status", status or "500")
  headers:replace("content-type", "application/json")
  if status == "503" and not headers:get("retry-after") then
    headers:replace("retry-after", "1")
  end
  clean(headers)
end

-- What the manager says to REST clients may come as initial metadata, or as trailers; trailers stand in the headers
-- where nothing else was sent before. Returns the body, and the headers with all of it.
local function collect(handle)
  local body = handle:body(true)
  local headers, trailers = handle:headers(), handle:trailers()
  if trailers then
    for _, name in ipairs({ "x-rest-status", "x-rest-error", "retry-after" }) do
      local value = trailers:get(name)
      if value then
        headers:replace(name, value)
      end
    end
    clean(trailers)
  end
  return body, headers
end

-- Keeps from gRPC what is no metadata (values beyond ASCII), and from REST clients what only gRPC's own may say.
function envoy_on_request(handle)
  local rest = handle:filterContext():get("rpc")
  local headers, unwanted = handle:headers(), {}
  for name, value in pairs(headers) do
    local of_grpc = rest and (sub(name, 1, 5) == "grpc-" or sub(name, -4) == "-bin")
    if byte(name) ~= 58 and (of_grpc or find(value, "[^ -~]")) then -- 58 is the colon of :path and its like
      unwanted[#unwanted + 1] = name
    end
  end
  for _, name in ipairs(unwanted) do
    headers:remove(name)
  end
end

function envoy_on_response(handle)
  local context = handle:filterContext()
  if not context:get("rpc") then
    return
  end
  local headers = handle:headers()
  local grpc_status = headers:get("grpc-status")
  if not grpc_status and headers:get(":status") ~= "200" then
    return -- Envoy's own reply, which has its shape already
  end
  local failed = grpc_status and grpc_status ~= "0"
  if context:get("stream") and not failed then
    return clean(headers)
  end
  local bare, wide = context:get("bare"), context:get("wide") -- out of scope after body()
  local body
  body, headers = collect(handle)
  if failed then
    return present_error(handle, headers, grpc_status)
  end
  local status = headers:get("x-rest-status")
  if status then
    headers:replace(":status", status)
  end
  clean(headers)
  if not bare then
    local json = body:getBytes(0, body:length())
    set_body(handle, envelope(wide and unquote(json, wide) or json))
  end
end
