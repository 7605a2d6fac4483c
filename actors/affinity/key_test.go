package affinity

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/all"
	"github.com/tollhouse/tollhouse/adapters/wire/jsonscan"
)

var dialects = []string{"openai_chat", "openai_responses", "anthropic_messages", "gemini", "cohere", "bedrock_converse"}

func set(t testing.TB) *adapters.Set {
	t.Helper()
	s, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func chat(t testing.TB, dialect, body string) *adapters.RequestContext {
	t.Helper()
	d := set(t).Dialect(dialect)
	if d == nil {
		t.Fatalf("there is no dialect %q", dialect)
	}
	return &adapters.RequestContext{Dialect: d, Operation: adapters.OperationChat, Header: http.Header{}, Body: []byte(body)}
}

func TestAConversationKeepsItsKey(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/turns.txtar")
	if err != nil {
		t.Fatal(err)
	}
	first, others, turns := map[string]uint64{}, map[uint64]string{}, map[string]int{}
	for _, f := range archive.Files {
		dialect, name, _ := strings.Cut(f.Name, "/")
		req := chat(t, dialect, string(bytes.TrimSpace(f.Data)))
		if _, err := req.Dialect.Inspect(adapters.OperationChat, pathOf(dialect), req.Body); err != nil {
			t.Fatalf("%s: %v", f.Name, err)
		}
		key := Key(req)
		switch is := first[dialect]; {
		case key == 0:
			t.Errorf("%s has no key", f.Name)
		case strings.HasPrefix(name, "other-"):
			if key == is || others[key] != "" {
				t.Errorf("%s has the key of the first, or of %q", f.Name, others[key])
			}
			others[key] = f.Name
		case is == 0:
			first[dialect] = key
		case key != is:
			t.Errorf("%s has another key than the first", f.Name)
		default:
			turns[dialect]++
		}
	}
	for _, d := range dialects {
		if turns[d] == 0 {
			t.Errorf("no second turn of %s was looked at", d)
		}
	}
}

func pathOf(dialect string) string {
	return map[string]string{
		"gemini": "/v1beta/models/gemini-2.5-pro:generateContent", "bedrock_converse": "/model/claude/converse",
	}[dialect]
}

// Every dialect that can chat says where its prompts stand.
func TestEveryDialectIsKnown(t *testing.T) {
	for _, name := range dialects {
		shape := adapters.PromptOf(chat(t, name, "{}"))
		if shape == nil || shape.Turns == "" || len(shape.Before) == 0 || len(shape.Before) > maxBefore {
			t.Errorf("%s: %+v", name, shape)
		}
	}
}

func TestWhatTheClientNamesGoesFirst(t *testing.T) {
	const prompt = `"messages":[{"role":"user","content":"Hello"}]`
	key := func(session, dialect, body string) uint64 {
		req := chat(t, dialect, body)
		if session != "" {
			req.Header.Set(SessionHeader, session)
		}
		return Key(req)
	}
	plain := key("", "openai_chat", `{`+prompt+`}`)
	named := key("", "openai_chat", `{"prompt_cache_key":"k",`+prompt+`}`)
	for name, c := range map[string]struct {
		got   uint64
		equal uint64
		same  bool
	}{
		"a session":                         {key("s", "openai_chat", `{`+prompt+`}`), plain, false},
		"a session whatever is asked":       {key("s", "openai_chat", `{`+prompt+`}`), key("s", "anthropic_messages", `{"prompt_cache_key":"k"}`), true},
		"another session":                   {key("s", "openai_chat", `{}`), key("t", "openai_chat", `{}`), false},
		"a cache key":                       {named, plain, false},
		"a cache key whatever is asked":     {named, key("", "openai_chat", `{"messages":[],"prompt_cache_key":"k"}`), true},
		"of Responses, too":                 {named, key("", "openai_responses", `{"input":"Hi","prompt_cache_key":"k"}`), true},
		"it is no session":                  {named, key("k", "openai_chat", `{}`), false},
		"an empty cache key is none":        {key("", "openai_chat", `{"prompt_cache_key":"",`+prompt+`}`), plain, true},
		"a cache key that is no text":       {key("", "openai_chat", `{"prompt_cache_key":7,`+prompt+`}`), plain, true},
		"Anthropic has none":                {key("", "anthropic_messages", `{"prompt_cache_key":"k",`+prompt+`}`), key("", "anthropic_messages", `{`+prompt+`}`), true},
		"Anthropic's user id is a user's":   {key("", "anthropic_messages", `{"metadata":{"user_id":"u"},`+prompt+`}`), key("", "anthropic_messages", `{`+prompt+`}`), true},
		"nothing is asked":                  {key("", "openai_chat", `{"model":"m"}`), 0, true},
		"no JSON":                           {key("", "openai_chat", `{"messages":[`), 0, true},
		"turns that are none":               {key("", "openai_chat", `{"messages":{"role":"user"}}`), 0, false},
		"a body that a session needs not":   {key("s", "openai_chat", `no JSON`), 0, false},
		"all turns, where none is of users": {key("", "openai_chat", `{"messages":[{"role":"system","content":"a"},{"role":"system","content":"b"}]}`), key("", "openai_chat", `{"messages":[{"role":"system","content":"a"}]}`), false},
	} {
		if (c.got == c.equal) != c.same {
			t.Errorf("%s: %x and %x", name, c.got, c.equal)
		}
	}
	req := chat(t, "openai_chat", `{"input":"Hello",`+prompt+`}`)
	req.Operation = adapters.OperationEmbeddings
	if Key(req) != 0 {
		t.Error("embeddings have a conversation")
	}
}

// Two gateways agree, also after a new release: the key is fixed for ever.
func TestKeysAreTheSameEverywhere(t *testing.T) {
	if got := Key(chat(t, "openai_chat", `{"messages":[{"role":"user","content":"Hello"}]}`)); got != 0xbaab796e24d8cce {
		t.Errorf("%#x", got)
	}
}

func TestAKeyNeedsNoMemory(t *testing.T) {
	req := chat(t, "openai_chat", `{"messages":[{"role":"system","content":"`+strings.Repeat("You help. ", 1000)+`"},{"role":"user","content":"Hello"}]}`)
	if got := testing.AllocsPerRun(100, func() { Key(req) }); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// Whatever the body: what is found lies in it, and the key is the same when the conversation goes on.
func FuzzKey(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/turns.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		f.Add(file.Data)
	}
	f.Add([]byte(`{"messages":[{"role":"user","content":"a\"]}"} , {}]}`))
	f.Add([]byte(`{"messages":[],"input":"x","contents":[{}],"cache_control":{`))
	f.Add([]byte(`{"messages":[{"cache_control":1,"role":"user","text" : [":",{"type":"text"}]}]}`))
	known := set(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range dialects {
			req := &adapters.RequestContext{Dialect: known.Dialect(name), Operation: adapters.OperationChat, Body: body}
			shape := adapters.PromptOf(req)
			m := find(body, shape)
			for _, span := range append(m.before[:], m.turns, m.cacheKey) {
				if span.Start < 0 || span.End < span.Start || span.End > len(body) {
					t.Fatalf("%s: %+v of %d bytes", name, span, len(body))
				}
			}
			key := Key(req)
			if longer, ok := oneMore(body, shape); ok && Key(&adapters.RequestContext{Dialect: req.Dialect, Operation: req.Operation, Body: longer}) != key {
				t.Fatalf("%s: the next turn has another key: %s", name, longer)
			}
		}
	})
}

// oneMore adds a turn to a conversation that has one of the user.
func oneMore(body []byte, shape *adapters.Prompt) (longer []byte, ok bool) {
	turns, times := adapters.Span{}, 0
	_, _, err := jsonscan.Object(body, func(key []byte, start, end int) error {
		if string(key) == shape.Turns {
			turns, times = adapters.Span{Start: start, End: end}, times+1
		}
		return nil
	})
	if err != nil || times != 1 || body[turns.Start] != '[' {
		return nil, false
	}
	mine := false
	_ = jsonscan.Elements(body, turns.Start, func(start, _ int) error {
		mine = mine || users(body, start, shape.Roleless)
		return nil
	})
	if !mine {
		return nil, false
	}
	longer = append(longer, body[:turns.End-1]...)
	longer = append(longer, `,{"role":"assistant","content":"And so on."}`...)
	return append(longer, body[turns.End-1:]...), true
}

// BenchmarkKey reads a conversation of 128 KiB, of which the beginning is a quarter.
func BenchmarkKey(b *testing.B) {
	text := strings.Repeat("You help those who pay the toll. ", 1000)
	body := `{"model":"m","messages":[{"role":"system","content":"` + text + `"},{"role":"user","content":"Hello"}`
	for range 3 {
		body += `,{"role":"assistant","content":"` + text + `"},{"role":"user","content":"Go on."}`
	}
	req := chat(b, "openai_chat", body+`]}`)
	b.SetBytes(int64(len(req.Body)))
	for b.Loop() {
		Key(req)
	}
}
