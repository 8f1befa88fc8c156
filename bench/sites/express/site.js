// Express with express-session and connect-redis, answering what our /session/ answers.
"use strict";

const express = require("express");
const session = require("express-session");
const { RedisStore } = require("connect-redis");
const { createClient } = require("redis");

const client = createClient({ socket: { path: process.env.BENCH_REDIS }, database: 5 });
const site = express();

site.use(
  session({
    store: new RedisStore({ client }),
    secret: "bench",
    resave: false,
    saveUninitialized: false,
    cookie: { maxAge: 24 * 3600 * 1000 },
  }),
);

site.get("/login/", (request, response) => {
  request.session.user = { id: "00000000-0000-0000-0000-000000000000", username: "bench" };
  response.json({});
});

site.get("/session/", (request, response) => {
  if (!request.session.user) return response.status(401).json({ user: null });
  return response.json({ user: request.session.user, expires_at: request.session.cookie.expires });
});

client.connect().then(() => site.listen(Number(process.env.PORT), "127.0.0.1"));
