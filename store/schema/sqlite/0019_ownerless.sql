-- expand: who has no owner, in the order in which they came, for SQLite: who comes next stands
-- beside who came last, not anywhere. Programs of before take another index.

DROP INDEX identities_ownerless;
CREATE INDEX identities_unowned ON identities (role, created_at, path) WHERE state = 'active' AND owner = '';
