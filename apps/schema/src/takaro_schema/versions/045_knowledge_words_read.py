"""Functions that read the words of a text: of a chunk, and of a question about it.

``knowledge_lexed`` takes a text apart before Postgres' parser, which keeps ``a.b.c``, a path or a tag
whole. ``createPool`` and ``create_pool`` become ``create pool`` and ``createpool``: each is found by the
other and by its parts. Scripts that are written without spaces become pairs of characters, and in a chunk
single ones too.

``knowledge_language_of`` chooses one of Postgres' text search configurations: that of the script, or the
one whose stop words make up most of the text, or else ``simple``. No model and no list of ours is needed
for that.

``knowledge_words_of`` says what a chunk scores for each of its words (Okapi BM25, without the rarity of the
word), as a ``sparsevec``: its inner product with the rarities of a question's words is the chunk's score.
That reads two sorted lists once. ``ts_rank`` would read a ``tsvector`` for each word, and knows no rarity.
A word's number is a hash of what Postgres' text search makes of it; among 20,000 words, half a pair shares
a number. ``keys`` are the same words with their space mixed in: in an index over all bases, a frequent word
of one then lists no chunks of others.
"""

from alembic import op

revision = "045"
down_revision = "044"
HOLDS = ()

NUMBERS = 536_870_912
"""Of words: 2^29."""

# Thai, Lao, Tibetan, Myanmar, Hangul, Khmer, Chinese, Japanese.
UNSPACED = (
    r"[\u0E00-\u0FFF\u1000-\u109F\u1100-\u11FF\u1780-\u17FF\u2E80-\u2FDF\u3005-\u3007\u3040-\u30FA\u30FC-\u30FF"
    r"\u31F0-\u31FF\u3400-\u4DBF\u4E00-\u9FFF\uAC00-\uD7FF\uF900-\uFAFF\U00020000-\U0003FFFF]"
)
# In any locale. Marks that belong to letters aren't here.
SEPARATORS = (
    r"[\u0001-\u002F\u003A-\u0040\u005B-\u0060\u007B-\u00A9\u00AB-\u00B1\u00B4\u00B6-\u00B8\u00BB\u00BF\u00D7"
    r"\u00F7\u2000-\u200B\u200E-\u206F\u2190-\u2BFF\u3000-\u3004\u3008-\u3020\u3030\u30FB\uFE10-\uFE6F"
    r"\uFFF0-\uFFFF]+"
)
# create_pool, well-known, createPool, 3.12.1, C++, C#
NAMES = (
    r"([A-Za-z0-9]+(?:[_-]+[A-Za-z0-9]+)+|[A-Za-z0-9]*[a-z0-9][A-Z][A-Za-z0-9]*|\d+(?:\.\d+)+"
    r"|\m[A-Za-z](?:\+\+|#))"
)
HUMPS = "(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])"

# Stop words tell them apart. English comes first, because ``russian`` reads Latin letters as English.
LANGUAGES = (
    "ARRAY['english', 'german', 'french', 'spanish', 'italian', 'portuguese', 'dutch', 'danish', "
    "'norwegian', 'swedish', 'finnish', 'hungarian', 'turkish', 'russian']"
)

TITLES = """"left"(concat_ws(' ', metadata ->> 'title', metadata ->> 'headings'), 2000)"""
PATH = """"left"(metadata ->> 'sourceFile', 2000)"""

# The time that ``normalize`` takes grows with the square of a run of marks. Nothing is ordered or composed
# across the beginning of one of these (ASCII, Latin, Thai letters, Chinese, Japanese, Hangul). Only where
# none of them stands for long, a mark at the edge of a piece may stay apart from its letter.
STARTERS = r"\u0001-\u02FF\u0E01-\u0E37\u309B-\uA66E\uAC00-\uFB1D"
PIECE = 250
"""Characters. A regular expression counts to 255 at most."""

UPGRADE = (
    # U+001F stands behind a pair, or in place of the first character of a run. What follows a pair's directly
    # is the last character of an odd run, which is in one of the other pairs.
    rf"""
    CREATE FUNCTION knowledge_lexed(content text, asked boolean) RETURNS text
    LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
    DECLARE
        plain text = content;
        names text;
        others text;
    BEGIN
        IF octet_length(plain) > length(plain) THEN
            IF plain ~ '[^{STARTERS}]{{{PIECE}}}' THEN
                SELECT "left"(string_agg(normalize(m[1], NFKC), ''), 50000)
                INTO plain FROM regexp_matches(plain, '[{STARTERS}]*[^{STARTERS}]{{0,{PIECE}}}', 'g') AS m;
            ELSE
                plain = "left"(normalize(plain, NFKC), 50000);
            END IF;
        END IF;
        SELECT string_agg(replace(replace(translate(m[1], '_-', ''), '++', 'plusplus'), '#', 'sharp'), ' ')
        INTO names FROM regexp_matches(plain, '{NAMES}', 'g') AS m;
        plain = regexp_replace(plain, '{HUMPS}', ' ', 'g');
        IF octet_length(plain) = length(plain) THEN
            plain = regexp_replace(plain, '[-+._/@:<>&~]+', ' ', 'g');  -- the others separate words anyway
        ELSE
            plain = regexp_replace(plain, '{SEPARATORS}', ' ', 'g');
            IF plain ~ '{UNSPACED}' THEN
                others = regexp_replace(plain, '(?<!{UNSPACED}){UNSPACED}(?={UNSPACED})', E'\x1f', 'g');
                others = array_to_string(ARRAY(
                    SELECT m[1] FROM regexp_matches(others, '({UNSPACED}{{2}})', 'g') AS m
                ), ' ');
                IF NOT asked THEN
                    others = others || ' ' || array_to_string(ARRAY(
                        SELECT m[1] FROM regexp_matches(plain, '({UNSPACED})', 'g') AS m
                    ), ' ');
                END IF;
                plain = regexp_replace(plain, '({UNSPACED}{{2}})', E' \\1\x1f', 'g');
                plain = regexp_replace(plain, E'\x1f{UNSPACED}?', ' ', 'g') || ' ' || others;
            END IF;
        END IF;
        RETURN plain || ' ' || coalesce(names, '');
    END
    $$
    """,  # noqa: S608 -- only constants
    rf"""
    CREATE FUNCTION knowledge_language_of(content text) RETURNS text LANGUAGE sql STABLE AS $$
        WITH lexed AS (
            SELECT knowledge_lexed(content, true) AS text
        ), whole AS (
            SELECT sum(cardinality(positions)) AS words
            FROM lexed CROSS JOIN LATERAL unnest(to_tsvector('simple', lexed.text))
        ), kept AS (
            SELECT language, place, (
                SELECT coalesce(sum(cardinality(positions)), 0)
                FROM unnest(to_tsvector(language::regconfig, lexed.text))
            ) AS words
            FROM lexed CROSS JOIN unnest({LANGUAGES}) WITH ORDINALITY AS known (language, place)
        )
        SELECT coalesce(
            (SELECT language FROM (VALUES
                ('arabic', '[^\u0600-\u06FF]'), ('greek', '[^\u0370-\u03FF]'), ('hindi', '[^\u0900-\u097F]'),
                ('tamil', '[^\u0B80-\u0BFF]'), ('armenian', '[^\u0530-\u058F]')
             ) AS known (language, others)
             WHERE length(regexp_replace(content, others, '', 'g')) * 4 > length(content) LIMIT 1),
            (SELECT kept.language FROM kept CROSS JOIN whole WHERE kept.words < 0.9 * whole.words
             ORDER BY kept.words, kept.place LIMIT 1),
            'simple'
        )
    $$
    """,  # noqa: S608 -- only constants
    f"""
    CREATE FUNCTION knowledge_word_number(lexeme text) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT (hashtext(lexeme) & {NUMBERS - 1}) + 1
    $$
    """,
    f"""
    CREATE FUNCTION knowledge_word_key(space integer, word integer) RETURNS integer
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT hashint8(space * {NUMBERS}::bigint + word)
    $$
    """,
    # k1 = 1.2, b = 0.75, and 100 words are an average chunk. A word of the title or a heading counts twice
    # more, one of the path once. One statement without CTEs: the caller's query takes it in.
    f"""
    CREATE FUNCTION knowledge_words_of(space integer, language text, content text, metadata jsonb)
    RETURNS TABLE (keys integer[], words sparsevec) LANGUAGE sql STABLE PARALLEL SAFE AS $$
        SELECT coalesce(array_agg(knowledge_word_key(space, word)), '{{}}'),
               ('{{' || coalesce(string_agg(
                   word || ':' || (2.2 * times / (times + 0.3 + 0.009 * all_times))::real, ','
               ), '') || '}}/{NUMBERS}')::sparsevec
        FROM (
            SELECT word, times, sum(times) OVER () AS all_times
            FROM (
                SELECT knowledge_word_number(lexeme) AS word, sum(cardinality(positions))::float8 AS times
                FROM unnest(to_tsvector(language::regconfig, knowledge_lexed(
                    concat_ws(' ', "left"(content, 50000), {TITLES}, {TITLES}, {PATH}),
                    false
                )))
                GROUP BY word ORDER BY times DESC, word LIMIT 4000
            ) AS counted
        ) AS weighed
    $$
    """,  # noqa: S608 -- only constants
)

DOWNGRADE = (
    "DROP FUNCTION knowledge_words_of(integer, text, text, jsonb)",
    "DROP FUNCTION knowledge_word_key(integer, integer)",
    "DROP FUNCTION knowledge_word_number(text)",
    "DROP FUNCTION knowledge_language_of(text)",
    "DROP FUNCTION knowledge_lexed(text, boolean)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)
