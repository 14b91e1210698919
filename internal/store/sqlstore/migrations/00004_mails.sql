-- mails holds notices: first without an address, as they were committed, then one row for each address. settled is when
-- one came to its end. wake is when it may be claimed: when it is due, or when the lease ends if that is later.

CREATE TABLE mails (
    tenant  TEXT    NOT NULL,
    id      TEXT    NOT NULL,
    kind    BIGINT  NOT NULL,
    address TEXT    NOT NULL,
    state   BIGINT  NOT NULL,
    stuck   BOOLEAN NOT NULL,
    created BIGINT  NOT NULL,
    due     BIGINT,
    settled BIGINT,
    doc     TEXT    NOT NULL,
    wake    BIGINT,
    holder  TEXT    NOT NULL DEFAULT '',
    lease   BIGINT,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX mails_stuck ON mails (tenant, id) WHERE stuck;
CREATE INDEX mails_wake ON mails (wake, tenant, id) WHERE wake IS NOT NULL;
CREATE INDEX mails_settled ON mails (settled) WHERE settled IS NOT NULL;
