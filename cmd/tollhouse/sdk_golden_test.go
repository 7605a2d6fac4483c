package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/tollhouse/tollhouse/adapters"
	"github.com/tollhouse/tollhouse/adapters/adaptertest"
	"github.com/tollhouse/tollhouse/adapters/all"
)

// golden is one answer of the matrix, as a client of its dialect gets it.
type golden struct {
	name   string
	Client string `json:"client"`
	Stream bool   `json:"stream"`
	body   string
}

// The SDKs of Google, Cohere and AWS read every golden answer to a client of theirs as our own decoders do: what is said, thought and
// called, whole and streamed. Those of OpenAI and Anthropic do so in adapters/all.
func TestTheSDKsReadTheMatrix(t *testing.T) {
	scripts := nodeScripts(t)
	set, err := all.Set()
	if err != nil {
		t.Fatal(err)
	}
	cases := goldens(t)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		number, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		i, err := strconv.Atoi(number)
		if err != nil || i >= len(cases) {
			http.NotFound(w, r)
			return
		}
		kind, body := cases[i].wire()
		w.Header().Set("Content-Type", kind)
		_, _ = w.Write(body)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	input, _ := json.Marshal(cases)
	cmd := exec.Command("node", "golden.mjs")
	cmd.Dir, cmd.Env, cmd.Stdin = scripts, append(os.Environ(), "SERVER="+srv.URL), bytes.NewReader(input)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.Bytes())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for _, c := range cases {
		if !lines.Scan() {
			t.Fatalf("%s was not read\n%s", c.name, errs.Bytes())
		}
		var saw struct {
			Text, Thoughts, Finish, Error string
			Calls                         []string
		}
		if err := json.Unmarshal(lines.Bytes(), &saw); err != nil {
			t.Fatal(err)
		}
		codec := set.Dialect(c.Client).(adapters.Codec)
		kind, body := c.wire()
		want, err := adaptertest.ReadAnswer(codec, body)
		if c.Stream {
			req := &adapters.RequestContext{Dialect: codec, Operation: adapters.OperationChat}
			req.Stream = true
			want, err = adaptertest.ReadStreamed(codec, req, kind, body)
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if saw.Error != "" || saw.Text != want.Text || saw.Thoughts != want.Thoughts || !slices.Equal(saw.Calls, want.Calls) || saw.Finish == "" {
			t.Errorf("%s: the SDK reads %+v, our decoder %+v", c.name, saw, want)
		}
	}
}

// wire is the answer as it is sent.
func (c *golden) wire() (kind string, body []byte) {
	if !c.Stream {
		return "application/json", []byte(c.body)
	}
	s := adaptertest.ReadStream(c.body)
	return s.Type, []byte(s.String())
}

func goldens(t *testing.T) (all []golden) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "adapters", "all", "testdata", "matrix", "golden", "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			client, rest, _ := strings.Cut(f.Name, " to ")
			_, what, _ := strings.Cut(rest, ", ")
			body := string(f.Data)
			if strings.HasPrefix(body, "dropped: ") {
				_, body, _ = strings.Cut(body, "\n")
			}
			answer := what == "down" && strings.HasPrefix(body, "{") || what == "stream" && !strings.HasPrefix(body, "refused") && strings.TrimSpace(body) != ""
			if !answer || !slices.Contains([]string{"gemini", "cohere", "bedrock_converse"}, client) {
				continue
			}
			all = append(all, golden{filepath.Base(path) + ": " + f.Name, client, what == "stream", body})
		}
	}
	if len(all) < 100 {
		t.Errorf("there are only %d", len(all))
	}
	return all
}
