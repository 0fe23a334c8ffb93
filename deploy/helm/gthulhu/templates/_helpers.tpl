{{- define "gthulhu.labels" -}}
app.kubernetes.io/name: gthulhu
app.kubernetes.io/part-of: gthulhu
{{- with . }}
app.kubernetes.io/component: {{ . }}
{{- end }}
{{- end }}

{{- define "gthulhu.selector" -}}
app.kubernetes.io/name: gthulhu
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- /* Takes a list: the root, and an image of the values. */ -}}
{{- define "gthulhu.image" -}}
{{- $root := index . 0 }}{{ $image := index . 1 -}}
{{- printf "%s:%s" $image.repository ($image.tag | default $root.Chart.AppVersion) | quote }}
{{- end }}

{{- /* Takes a map of environment variables. */ -}}
{{- define "gthulhu.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{- define "gthulhu.capabilities" -}}
{{- $wanted := list "SYS_NICE" }}
{{- if or .bpf .schedExt }}{{ $wanted = concat $wanted (list "BPF" "PERFMON") }}{{ end }}
{{- if .processEvents }}{{ $wanted = append $wanted "NET_ADMIN" }}{{ end }}
{{- toJson $wanted }}
{{- end }}
