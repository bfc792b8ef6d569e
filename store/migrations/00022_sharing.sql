-- Who may do what with a shared thing: rules of the thing, and what is special
-- about one person's link.

-- +goose Up
ALTER TABLE link ADD COLUMN name TEXT NOT NULL DEFAULT '';    -- how the person is called; '' is the address
ALTER TABLE link ADD COLUMN public BIGINT NOT NULL DEFAULT 0; -- 1: to be passed on; whoever has it is nobody in particular
ALTER TABLE link ADD COLUMN quiet BIGINT NOT NULL DEFAULT 0;  -- when its person asked for no more mails, 0 never

-- Until now a link to pass on was an owner's second link.
UPDATE link SET public = 1 WHERE manage = 0
    AND EXISTS (SELECT 1 FROM link o WHERE o.kind = link.kind AND o.thing = link.thing AND o.manage = 1 AND o.person = link.person);

-- No row: the defaults of its kind (workflow/link/rules.go).
CREATE TABLE link_rules (
    kind      TEXT NOT NULL,
    thing     BIGINT NOT NULL,
    password  TEXT NOT NULL,   -- argon2id; '' asks for none
    code      BIGINT NOT NULL, -- 1: guests type a code that was mailed to them
    downloads BIGINT NOT NULL, -- how many in all, 0 any number
    comment   BIGINT NOT NULL, -- 1: guests may
    adding    BIGINT NOT NULL, -- 1: guests may
    place     BIGINT NOT NULL, -- 1: guests get photos with what the camera wrote: where, with what
    frozen    BIGINT NOT NULL, -- since when nobody but the owner sees it, 0 not
    PRIMARY KEY (kind, thing)
);

-- +goose Down
DROP TABLE link_rules;
ALTER TABLE link DROP COLUMN quiet;
ALTER TABLE link DROP COLUMN public;
ALTER TABLE link DROP COLUMN name;
