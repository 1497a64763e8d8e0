import { keys } from './peer.ts'

/** What key-auth, rate-limit and header-route do, in Lua. */
export const lua = {
  modules: ['ndk_http_module.so', 'ngx_http_lua_module.so'],
  location: `
      set $upstream stable;
      access_by_lua_block {
        local headers = ngx.req.get_headers()
        local key = headers["x-api-key"]
        local consumer = type(key) == "string" and keys[key]
        if not consumer then
          ngx.header["www-authenticate"] = "ApiKey"
          return ngx.exit(401)
        end
        ngx.req.clear_header("x-api-key")
        ngx.req.set_header("x-consumer", consumer)
        local used = budgets:incr(consumer, 1, 0, 3600)
        local reset = math.ceil(budgets:ttl(consumer))
        local left = '"default";r=' .. math.max(0, points - used) .. ";t=" .. reset
        if used > points then
          ngx.header["ratelimit"] = left
          ngx.header["ratelimit-policy"] = policy
          ngx.header["retry-after"] = reset
          return ngx.exit(429)
        end
        ngx.ctx.left = left
        if headers["x-beta"] == "1" then ngx.var.upstream = "beta" end
      }
      header_filter_by_lua_block {
        if ngx.ctx.left then
          ngx.header["ratelimit"] = ngx.ctx.left
          ngx.header["ratelimit-policy"] = policy
        end
      }
`,
}

const table = Object.entries(keys)
  .map(([key, consumer]) => `["${key}"] = "${consumer}"`)
  .join(', ')

/** What of it stands in the `http` block. */
export const luaHttp = `
  lua_package_path "/usr/share/lua/5.1/?.lua;;";
  lua_shared_dict budgets 1m;
  init_by_lua_block {
    require "resty.core"
    keys = { ${table} }
    points = 1000000000
    policy = '"default";q=' .. string.format("%d", points) .. ";w=3600"
    budgets = ngx.shared.budgets
  }
`
