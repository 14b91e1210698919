-- resources is the tree at which roles of the resource provider are held; the root is not in it. scope is a path in lower
-- case, type is in lower case, title is what people are shown, folded. denials are its deny assignments.

CREATE TABLE resources (
    tenant TEXT   NOT NULL,
    scope  TEXT   NOT NULL,
    parent TEXT   NOT NULL,
    kind   BIGINT NOT NULL,
    type   TEXT   NOT NULL,
    title  TEXT   NOT NULL,
    doc    TEXT   NOT NULL,
    PRIMARY KEY (tenant, scope)
);
CREATE INDEX resources_parent ON resources (tenant, parent, scope);
CREATE INDEX resources_kind ON resources (tenant, kind, scope);

CREATE TABLE denials (
    tenant TEXT NOT NULL,
    id     TEXT NOT NULL,
    scope  TEXT NOT NULL,
    doc    TEXT NOT NULL,
    PRIMARY KEY (tenant, id)
);
CREATE INDEX denials_scope ON denials (tenant, scope, id);

-- Custom roles of resources, which are read when the program starts: kind 6.
CREATE INDEX objects_resource_roles ON objects (tenant, id) WHERE kind = 6;

-- What is held and asked for at scopes of resources. Nobody lists there what is over.
CREATE INDEX schedules_resource ON schedules (tenant, scope, id) WHERE provider = 'resource' AND ending = 0;
CREATE INDEX requests_resource ON requests (tenant, scope, id) WHERE provider = 'resource';
