"""From files to answers whose citations hold: parse, chunk, embed, index, search, answer."""
