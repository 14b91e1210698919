-- A group's members and owners are grants: links between them follow from schedules, several of which may be between the
-- same two. schedule is empty for plain links; doc keeps what a recurring window has beside its bounds. What was linked
-- before becomes a grant made outside PIM, that begins when the link did, or the group if that is not known.
-- The word in braces is the engine's own way to make a UUID of version 4.

DROP INDEX links_to;
ALTER TABLE links RENAME TO links_before_schedules;
CREATE TABLE links (
    tenant   TEXT   NOT NULL,
    relation BIGINT NOT NULL,
    from_id  TEXT   NOT NULL,
    to_id    TEXT   NOT NULL,
    schedule TEXT   NOT NULL,
    start_at BIGINT NOT NULL,
    end_at   BIGINT NOT NULL,
    doc      TEXT   NOT NULL,
    PRIMARY KEY (tenant, relation, from_id, to_id, schedule)
);
CREATE INDEX links_to ON links (tenant, relation, to_id, from_id, schedule);

INSERT INTO links (tenant, relation, from_id, to_id, schedule, start_at, end_at, doc)
SELECT l.tenant, l.relation, l.from_id, l.to_id, '', l.start_at, l.end_at, ''
FROM links_before_schedules l
WHERE NOT (l.relation = 1 OR l.relation = 2 AND EXISTS (
    SELECT 1 FROM objects g WHERE g.tenant = l.tenant AND g.id = l.from_id AND g.kind = 2));

INSERT INTO links (tenant, relation, from_id, to_id, schedule, start_at, end_at, doc)
SELECT l.tenant, l.relation, l.from_id, l.to_id, {{uuid}},
    CASE WHEN l.start_at > -9223372036854775807 THEN l.start_at
        ELSE COALESCE((SELECT g.created FROM objects g WHERE g.tenant = l.tenant AND g.id = l.from_id
            AND g.created > -9223372036854775807), 0) END,
    l.end_at, ''
FROM links_before_schedules l
WHERE l.relation = 1 OR l.relation = 2 AND EXISTS (
    SELECT 1 FROM objects g WHERE g.tenant = l.tenant AND g.id = l.from_id AND g.kind = 2);

INSERT INTO schedules (tenant, id, provider, scope, role, principal, kind, type, ending, kept, start_at, end_at, until_at,
    ended, request, eligibility, created, modified, is_open, due, doc)
SELECT l.tenant, l.schedule, 'group', l.from_id, CASE l.relation WHEN 1 THEN 'member' ELSE 'owner' END, l.to_id,
    2, 1, 0, true, l.start_at, l.end_at, l.end_at, -9223372036854775807 - 1, '', '', l.start_at, -9223372036854775807 - 1,
    true, CASE WHEN l.end_at < 9223372036854775807 THEN l.end_at END, ''
FROM links l
WHERE l.schedule <> '';

DROP TABLE links_before_schedules;

-- Lists of one group's grants.
CREATE INDEX schedules_group ON schedules (tenant, scope, id) WHERE provider = 'group';
CREATE INDEX requests_group ON requests (tenant, scope, id) WHERE provider = 'group';
