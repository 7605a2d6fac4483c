package warehouse

import (
	"bytes"
	"strings"
)

// shape is what the HTTP interface must know of a text before the engine reads it.
type shape struct {
	insert bool   // an INSERT that brings data, as opposed to INSERT … SELECT and FROM INFILE
	head   string // the statement; of such an insert, what stands before FORMAT or VALUES
	format string // the word behind FORMAT, Values for VALUES, empty where the text names none
	data   []byte // what stands behind the format of such an insert
	many   bool   // a second statement follows
}

// shapeOf reads the words of a text that stand outside of strings, comments and brackets. Of an insert it reads no further
// than to its data, which may be any bytes.
func shapeOf(text []byte) shape {
	l := lexer{text: text}
	var before, last token
	t := l.next()
	sh := shape{insert: t.is("INSERT")}
	for ; ; before, last, t = last, t, l.next() {
		if t.word && (last.is("INTO") && !t.is("TABLE") || last.is("TABLE") || last.is(".")) {
			t.text = "" // a name, whatever it reads
		}
		switch {
		case sh.insert && before.is("FORMAT") && last.word:
			sh.head, sh.format, sh.data = string(text[:before.start]), last.text, afterFormat(text[last.end:])
			return sh
		case sh.insert && t.is("VALUES"):
			sh.head, sh.format, sh.data = string(text[:t.start]), "Values", text[t.end:]
			return sh
		case sh.insert && (t.is("SELECT") || t.is("WITH") || t.is("FROM") || t.is("WATCH")):
			sh.insert = false
		}
		if before.is("FORMAT") && last.word && (t.atEnd() || t.is(";") || t.is("SETTINGS")) {
			sh.format = last.text
		}
		if t.atEnd() || t.is(";") {
			sh.head = string(text[:t.start])
			sh.many = t.is(";") && !l.next().atEnd()
			return sh
		}
	}
}

// afterFormat skips what stands between a format's name and the data: blanks and one line's end.
func afterFormat(rest []byte) []byte {
	return bytes.TrimPrefix(bytes.TrimLeft(rest, " \t\r"), []byte("\n"))
}

// token is a word, a mark, a quoted text ("'") or a pair of brackets with what is in it ("("); it is empty at the end.
type token struct {
	text       string
	start, end int
	word       bool
}

func (t token) atEnd() bool { return t.start == t.end }

func (t token) is(text string) bool { return strings.EqualFold(t.text, text) }

// lexer cuts a text into tokens.
type lexer struct {
	text []byte
	pos  int
}

func (l *lexer) next() token {
	l.skipBlanks()
	start := l.pos
	if start >= len(l.text) {
		return token{start: start, end: start}
	}
	c := l.text[start]
	switch {
	case isWord(c):
		for l.pos < len(l.text) && isWord(l.text[l.pos]) {
			l.pos++
		}
		return token{text: string(l.text[start:l.pos]), start: start, end: l.pos, word: true}
	case c == '\'' || c == '"' || c == '`':
		l.skipQuoted(c)
		return token{text: "'", start: start, end: l.pos}
	case strings.IndexByte("([{", c) >= 0:
		l.skipBrackets()
		return token{text: "(", start: start, end: l.pos}
	}
	l.pos++
	return token{text: string(c), start: start, end: l.pos}
}

func isWord(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// skipBlanks skips white space and comments.
func (l *lexer) skipBlanks() {
	for l.pos < len(l.text) {
		rest := l.text[l.pos:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v\x00", rest[0]) >= 0:
			l.pos++
		case bytes.HasPrefix(rest, []byte("--")), bytes.HasPrefix(rest, []byte("# ")), bytes.HasPrefix(rest, []byte("#!")):
			l.skipPast("\n")
		case bytes.HasPrefix(rest, []byte("/*")):
			l.pos += 2
			l.skipPast("*/")
		default:
			return
		}
	}
}

func (l *lexer) skipPast(end string) {
	i := bytes.Index(l.text[l.pos:], []byte(end))
	if i < 0 {
		l.pos = len(l.text)
		return
	}
	l.pos += i + len(end)
}

// skipQuoted skips a quoted text. A doubled quote ends one and begins the next, which comes to the same.
func (l *lexer) skipQuoted(quote byte) {
	for l.pos++; l.pos < len(l.text); l.pos++ {
		switch l.text[l.pos] {
		case '\\':
			l.pos++
		case quote:
			l.pos++
			return
		}
	}
	l.pos = len(l.text) // a backslash may have led past it
}

// skipBrackets skips to the bracket that closes the one here, over whatever is between.
func (l *lexer) skipBrackets() {
	for depth := 0; l.pos < len(l.text); {
		l.skipBlanks()
		if l.pos >= len(l.text) {
			return
		}
		switch c := l.text[l.pos]; {
		case c == '\'' || c == '"' || c == '`':
			l.skipQuoted(c)
			continue
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		}
		l.pos++
		if depth == 0 {
			return
		}
	}
}
