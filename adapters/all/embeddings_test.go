package all

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/openai/openai-go/v3"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest/corpus"
)

// TestEmbeddings takes requests for embeddings from each dialect to each other that has them: what goes up and what comes back stand
// beside what was asked and answered.
func TestEmbeddings(t *testing.T) {
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	in := sections(t, "testdata/embeddings/cases.txtar")
	golden := &txtar.Archive{}
	for _, name := range names(t, "testdata/embeddings/cases.txtar") {
		client, what, ok := strings.Cut(name, ", ")
		if !ok {
			continue // an answer
		}
		path, body, _ := strings.Cut(in[name], "\n")
		for _, provider := range []string{"cohere", "gemini", "openai_chat"} {
			if provider == client {
				continue
			}
			answer := in[provider+".answer"]
			if strings.Contains(what, "several") {
				answer = in[provider+".answers"]
			}
			req := requestOf(t, set.Dialect(client), adapters.OperationEmbeddings, path, body, false)
			x := send(t, req, set.Dialect(provider), "sent", answer, http.StatusOK)
			add := func(what, text string) {
				golden.Files = append(golden.Files, txtar.File{Name: what, Data: []byte(strings.TrimRight(text, "\n") + "\n")})
			}
			pair := fmt.Sprintf("%s to %s, %s", client, provider, what)
			add(pair+", up", x.path+"\n"+pretty(x.up))
			add(pair+", down", x.shown(t))
		}
	}
	compare(t, "testdata/embeddings/golden.txtar", golden)
}

// names are the sections of an archive, in order.
func names(t *testing.T, path string) (all []string) {
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.Files {
		all = append(all, f.Name)
	}
	return all
}

// OpenAI's own SDK reads what the others answered, also packed, as its siblings for Python and JavaScript ask for it.
func TestTheSDKReadsEmbeddings(t *testing.T) {
	golden := sections(t, "testdata/embeddings/golden.txtar")
	read := 0
	for name, text := range golden {
		if !strings.HasPrefix(name, "openai_chat to ") || !strings.HasSuffix(name, ", down") || strings.HasPrefix(text, "refused") || strings.Contains(name, "packed") {
			continue
		}
		var answer openai.CreateEmbeddingResponse
		decode(t, withoutDropped(text), &answer)
		if len(answer.Data) == 0 || len(answer.Data[0].Embedding) != 3 || answer.Model == "" || answer.Usage.PromptTokens == 0 {
			t.Errorf("%s: %+v", name, answer)
		}
		read++
	}
	if read < 2 {
		t.Errorf("%d answers were read", read)
	}
}

// Recorded answers keep every number when they go to a client of another dialect.
func TestRecordedEmbeddingsInTranslation(t *testing.T) {
	dir := corpus.Dir(t)
	set, err := Set()
	if err != nil {
		t.Fatal(err)
	}
	clients := map[string][3]string{ // path, body, one text
		"openai_chat": {"/v1/embeddings", `{"model":"m","input":[%s]}`, `"a"`},
		"cohere":      {"/v2/embed", `{"model":"m","texts":[%s],"input_type":"search_query","embedding_types":["float"]}`, `"a"`},
		"gemini":      {"/v1beta/models/m:batchEmbedContents", `{"requests":[%s]}`, `{"content":{"parts":[{"text":"a"}]}}`},
	}
	translated := 0
	for api, provider := range map[string]string{
		"openai/embeddings": "openai_chat", "azure/embeddings": "openai_chat", "mistral/embeddings": "openai_chat",
		"cohere/embeddings": "cohere", "gemini/embeddings": "gemini",
	} {
		for _, r := range corpus.Load(t, dir, api) {
			codec := set.Dialect(provider).(adapters.EmbeddingsCodec)
			want, err := codec.DecodeEmbeddings(r.Response)
			if r.Meta.Status != http.StatusOK || err != nil || len(want.Vectors) == 0 || want.Vectors[0][0] == '"' {
				continue // an error, or packed
			}
			for client, ask := range clients {
				if client == provider {
					continue
				}
				body := fmt.Sprintf(ask[1], strings.Repeat(ask[2]+",", len(want.Vectors)-1)+ask[2])
				req := requestOf(t, set.Dialect(client), adapters.OperationEmbeddings, ask[0], body, false)
				x := send(t, req, codec, "sent", string(r.Response), http.StatusOK)
				got, err := set.Dialect(client).(adapters.EmbeddingsCodec).DecodeEmbeddings([]byte(x.down))
				if err != nil || len(got.Vectors) != len(want.Vectors) {
					t.Fatalf("%s to %s: %v", r.Name, client, err)
				}
				for i := range want.Vectors {
					if numbers(t, got.Vectors[i]) != numbers(t, want.Vectors[i]) {
						t.Errorf("%s to %s: vector %d is another", r.Name, client, i)
					}
				}
				translated++
			}
		}
	}
	if translated == 0 {
		t.Error("nothing was translated")
	}
}

// numbers are a vector's, as they were written.
func numbers(t *testing.T, vector json.RawMessage) string {
	var list []json.Number
	decode(t, string(vector), &list)
	return fmt.Sprint(list)
}

// FuzzEmbeddings takes any body from each dialect to each other: what is not refused is JSON that the other reads as the same texts.
func FuzzEmbeddings(f *testing.F) {
	archive, err := txtar.ParseFile("testdata/embeddings/cases.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range archive.Files {
		if path, body, ok := strings.Cut(string(file.Data), "\n"); ok && strings.HasPrefix(path, "/") {
			f.Add(path, []byte(body))
		}
	}
	set, err := Set()
	if err != nil {
		f.Fatal(err)
	}
	codecs := []adapters.EmbeddingsCodec{}
	for _, name := range []string{"cohere", "gemini", "openai_chat"} {
		codecs = append(codecs, set.Dialect(name).(adapters.EmbeddingsCodec))
	}
	f.Fuzz(func(t *testing.T, path string, body []byte) {
		if !utf8.Valid(body) {
			return // what is no text is written as U+FFFD
		}
		for _, client := range codecs {
			inspection, err := client.Inspect(adapters.OperationEmbeddings, path, body)
			if err != nil {
				continue
			}
			req := &adapters.RequestContext{Dialect: client, Operation: adapters.OperationEmbeddings, Path: path, Body: body, Inspection: inspection}
			asked, err := client.DecodeEmbeddingsRequest(req)
			if err != nil {
				continue
			}
			for _, provider := range codecs {
				encoded, _, err := provider.EncodeEmbeddingsRequest(asked)
				if err != nil {
					continue
				}
				up := &adapters.RequestContext{Dialect: provider, Operation: adapters.OperationEmbeddings, Body: encoded}
				up.Path = provider.Path(up, "m")
				if up.Inspection, err = provider.Inspect(up.Operation, up.Path, encoded); err != nil {
					t.Fatalf("%s: %v in %s", provider.Name(), err, encoded)
				}
				sent, err := provider.DecodeEmbeddingsRequest(up)
				if len(asked.Inputs) == 0 {
					continue // an image, which is lost by name
				}
				if err != nil || fmt.Sprintf("%q", sent.Inputs) != fmt.Sprintf("%q", asked.Inputs) {
					t.Fatalf("%s to %s: %v, asked %q in %s", client.Name(), provider.Name(), err, asked.Inputs, encoded)
				}
			}
			_, _ = client.DecodeEmbeddings(body)
		}
	})
}
