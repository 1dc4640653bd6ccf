-- expand: alerts, and where the watch over the log stands, for PostgreSQL. Programs of before do
-- without.

CREATE TABLE alerts (
    id              BIGINT           PRIMARY KEY,
    key             BYTEA            NOT NULL, -- of rule and key: two findings with the same are one alert
    severity        BIGINT           NOT NULL,
    state           TEXT COLLATE "C" NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    opened_at       BIGINT           NOT NULL,
    resolved_at     BIGINT           NOT NULL, -- 0: not yet
    acknowledged_at BIGINT           NOT NULL, -- 0: not yet
    acknowledged_by TEXT COLLATE "C" NOT NULL,
    word            TEXT COLLATE "C" NOT NULL,
    body            BYTEA            NOT NULL  -- all else, sealed by the log's key
);
CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE resolved_at = 0;
CREATE INDEX alerts_standing ON alerts (id) WHERE resolved_at = 0;
CREATE INDEX alerts_severity ON alerts (severity) WHERE resolved_at = 0;
CREATE INDEX alerts_resolved ON alerts (resolved_at, id) WHERE resolved_at > 0;

-- What policy says is to be done about an alert, until it is.
CREATE TABLE alert_actions (
    alert   BIGINT           NOT NULL,
    action  TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    since   BIGINT           NOT NULL,
    PRIMARY KEY (alert, action, subject)
);

-- How far the entries are that alerts on record were made of.
CREATE TABLE alert_positions (
    origin TEXT COLLATE "C" PRIMARY KEY, -- empty: the CA's own log
    seq    BIGINT           NOT NULL
);

-- One row: who watches, which snapshot is good, and what the engine had come to.
CREATE TABLE alert_watch (
    one      INTEGER          PRIMARY KEY CHECK (one = 1),
    epoch    BIGINT           NOT NULL, -- rises with each who takes it over
    holder   TEXT COLLATE "C" NOT NULL,
    last_id  BIGINT           NOT NULL, -- of alerts
    at       BIGINT           NOT NULL, -- engine's time at the last change on record
    snapshot BIGINT           NOT NULL, -- number of the good one; 0: none
    parts    BIGINT           NOT NULL
);
INSERT INTO alert_watch (one, epoch, holder, last_id, at, snapshot, parts) VALUES (1, 0, '', 0, 0, 0, 0);

CREATE TABLE alert_snapshots (
    snapshot BIGINT NOT NULL,
    part     BIGINT NOT NULL,
    body     BYTEA  NOT NULL, -- sealed by the log's key
    PRIMARY KEY (snapshot, part)
);
