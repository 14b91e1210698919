-- alias is the id by which PIM's second iteration knows a node: it is made of the scope, and filled for the rows that are there
-- when this is run, see fill.go. uses is who still calls dialects that are on their way out, and how often.

ALTER TABLE resources ADD COLUMN alias TEXT NOT NULL DEFAULT '';
CREATE INDEX resources_alias ON resources (tenant, alias);

CREATE TABLE uses (
    tenant      TEXT   NOT NULL,
    dialect     TEXT   NOT NULL,
    application TEXT   NOT NULL,
    route       TEXT   NOT NULL,
    calls       BIGINT NOT NULL,
    first_at    BIGINT NOT NULL,
    last_at     BIGINT NOT NULL,
    PRIMARY KEY (tenant, dialect, application, route)
);
