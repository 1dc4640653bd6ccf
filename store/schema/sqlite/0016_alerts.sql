-- expand: alerts, and where the watch over the log stands, for SQLite. Programs of before do
-- without.

CREATE TABLE alerts (
    id              INTEGER PRIMARY KEY,
    key             BLOB    NOT NULL, -- of rule and key: two findings with the same are one alert
    severity        INTEGER NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('open', 'acknowledged', 'resolved')),
    opened_at       INTEGER NOT NULL,
    resolved_at     INTEGER NOT NULL, -- 0: not yet
    acknowledged_at INTEGER NOT NULL, -- 0: not yet
    acknowledged_by TEXT    NOT NULL,
    word            TEXT    NOT NULL,
    body            BLOB    NOT NULL  -- all else, sealed by the log's key
);
CREATE UNIQUE INDEX alerts_open ON alerts (key) WHERE resolved_at = 0;
CREATE INDEX alerts_standing ON alerts (id) WHERE resolved_at = 0;
CREATE INDEX alerts_severity ON alerts (severity) WHERE resolved_at = 0;
CREATE INDEX alerts_resolved ON alerts (resolved_at, id) WHERE resolved_at > 0;

-- What policy says is to be done about an alert, until it is.
CREATE TABLE alert_actions (
    alert   INTEGER NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    PRIMARY KEY (alert, action, subject)
) WITHOUT ROWID;

-- How far the entries are that alerts on record were made of.
CREATE TABLE alert_positions (
    origin TEXT    PRIMARY KEY, -- empty: the CA's own log
    seq    INTEGER NOT NULL
) WITHOUT ROWID;

-- One row: who watches, which snapshot is good, and what the engine had come to.
CREATE TABLE alert_watch (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    epoch    INTEGER NOT NULL, -- rises with each who takes it over
    holder   TEXT    NOT NULL,
    last_id  INTEGER NOT NULL, -- of alerts
    at       INTEGER NOT NULL, -- engine's time at the last change on record
    snapshot INTEGER NOT NULL, -- number of the good one; 0: none
    parts    INTEGER NOT NULL
);
INSERT INTO alert_watch (one, epoch, holder, last_id, at, snapshot, parts) VALUES (1, 0, '', 0, 0, 0, 0);

CREATE TABLE alert_snapshots (
    snapshot INTEGER NOT NULL,
    part     INTEGER NOT NULL,
    body     BLOB    NOT NULL, -- sealed by the log's key
    PRIMARY KEY (snapshot, part)
);
