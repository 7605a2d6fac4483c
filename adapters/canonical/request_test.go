package canonical

import "testing"

func TestOneCallIsAHintWhereOnlyOneCanBe(t *testing.T) {
	yes, no := true, false
	one, two := []Tool{{Name: "a"}}, []Tool{{Name: "a"}, {Name: "b"}}
	for name, c := range map[string]struct {
		r           Request
		asked, hint bool
	}{
		"not said":          {Request{Tools: one}, false, false},
		"several may be":    {Request{Tools: two, ParallelTools: &yes}, false, false},
		"may call":          {Request{Tools: one, ParallelTools: &no}, true, false},
		"must call one":     {Request{Tools: one, ParallelTools: &no, ToolChoice: &ToolChoice{Mode: ToolRequired}}, true, true},
		"must call either":  {Request{Tools: two, ParallelTools: &no, ToolChoice: &ToolChoice{Mode: ToolRequired}}, true, false},
		"one is allowed":    {Request{Tools: two, ParallelTools: &no, ToolChoice: &ToolChoice{Mode: ToolRequired, Only: []string{"b"}}}, true, true},
		"one is named":      {Request{Tools: two, ParallelTools: &no, ToolChoice: &ToolChoice{Mode: ToolNamed, Name: "b"}}, true, true},
		"may call, by mode": {Request{Tools: one, ParallelTools: &no, ToolChoice: &ToolChoice{Mode: ToolAuto}}, true, false},
	} {
		if asked, hint := c.r.OneCall(); asked != c.asked || hint != c.hint {
			t.Errorf("%s: %v, %v", name, asked, hint)
		}
	}
}
