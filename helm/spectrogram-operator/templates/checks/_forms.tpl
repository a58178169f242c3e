{{/* Single values against files/checks.yaml. What is wrong is added to .found, (dict "lines" …). */}}

{{- define "spectrogram-operator.checks" -}}
{{- .Files.Get "files/checks.yaml" }}
{{- end }}

{{- define "spectrogram-operator.complain" -}}
{{- $_ := set .found "lines" (append .found.lines .line) }}
{{- end }}

{{/* A quantity as a number, in bytes or cores. Its digits are few enough that a float is exact. */}}
{{- define "spectrogram-operator.amount" -}}
{{- $units := dict "" 1.0 "m" 0.001 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
  "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 "Pi" 1125899906842624.0 "Ei" 1152921504606846976.0 }}
{{- $text := include "spectrogram-operator.written" . }}
{{- $unit := regexFind "[A-Za-z].*$" $text }}
{{- if hasKey $units $unit }}
{{- mulf (regexFind "^[0-9.]+" $text | float64) (get $units $unit) }}
{{- else }}
{{- float64 $text }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkForms" -}}
{{- $checks := include "spectrogram-operator.checks" .root | fromYaml }}
{{- $found := .found }}
{{- $values := .root.Values }}
{{- $told := dict }}
{{- /* An upgrade with --reuse-values knows no default that the chart did not have before. */}}
{{- $words := "null takes its default away: write a value, or leave it out" }}
{{- if .root.Release.IsUpgrade }}{{ $words = "null, or helm upgrade --reuse-values, takes its default away: write a value, or upgrade with --reset-then-reuse-values" }}{{ end }}
{{- range $path := $checks.needed }}
  {{- $at := $values }}
  {{- $name := "" }}
  {{- range splitList "." $path }}
    {{- if kindIs "map" $at }}
      {{- $name = printf "%s.%s" $name . | trimPrefix "." }}
      {{- $at = index $at . }}
    {{- end }}
  {{- end }}
  {{- if and (kindIs "invalid" $at) (not (hasKey $told $name)) }}
    {{- $_ := set $told $name true }}
    {{- include "spectrogram-operator.complain" (dict "found" $found "line" (printf "%s: %s" $name $words)) }}
  {{- end }}
{{- end }}
{{- range $path, $form := $checks.values }}
  {{- $rule := get $checks.forms (trimSuffix "?" $form) }}
  {{- include "spectrogram-operator.checkAt" (dict "found" $found "value" $values "path" (splitList "." $path) "name" "" "rule" $rule "mayBeEmpty" (hasSuffix "?" $form)) }}
{{- end }}
{{- end }}

{{/* Walks down .path in .value; .name is the way that was gone. */}}
{{- define "spectrogram-operator.checkAt" -}}
{{- $here := . }}
{{- if empty .path }}
  {{- include "spectrogram-operator.checkOne" . }}
{{- else if kindIs "map" .value }}
  {{- range $key, $value := .value }}
    {{- if eq (first $here.path) "~" }}
      {{- include "spectrogram-operator.checkOne" (dict "value" $key "name" $here.name "found" $here.found "rule" $here.rule "mayBeEmpty" false) }}
    {{- else if has (first $here.path) (list "*" $key) }}
      {{- $name := printf "%s.%s" $here.name $key | trimPrefix "." }}
      {{- include "spectrogram-operator.checkAt" (dict "value" $value "path" (rest $here.path) "name" $name "found" $here.found "rule" $here.rule "mayBeEmpty" $here.mayBeEmpty) }}
    {{- end }}
  {{- end }}
{{- else if kindIs "slice" .value }}
  {{- range $index, $value := .value }}
    {{- $name := printf "%s[%d]" $here.name $index }}
    {{- include "spectrogram-operator.checkAt" (dict "value" $value "path" (rest $here.path) "name" $name "found" $here.found "rule" $here.rule "mayBeEmpty" $here.mayBeEmpty) }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "spectrogram-operator.checkOne" -}}
{{- if not (kindIs "invalid" .value) }}
  {{- $text := include "spectrogram-operator.written" .value }}
  {{- $good := regexMatch .rule.pattern $text | and (le (len $text) (int (default 1000 .rule.longest))) }}
  {{- if and $good .rule.most }}
    {{- $amount := include "spectrogram-operator.amount" $text | float64 }}
    {{- $least := include "spectrogram-operator.amount" (default "0" .rule.least) | float64 }}
    {{- $most := include "spectrogram-operator.amount" .rule.most | float64 }}
    {{- $good = and (ge $amount $least) (le $amount $most) }}
  {{- end }}
  {{- if not (or $good (and .mayBeEmpty (eq $text "")) (and .rule.word (eq $text .rule.word))) }}
    {{- include "spectrogram-operator.complain" (dict "found" .found "line" (printf "%s: %s %s" .name (kindIs "string" .value | ternary (quote $text) $text) .rule.words)) }}
  {{- end }}
{{- end }}
{{- end }}
