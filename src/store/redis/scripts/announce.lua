-- Announces something that is not stored. KEYS: room. ARGV: the announcement.

call(ANNOUNCE, KEYS[1], ARGV[1])
return { 'ok' }
