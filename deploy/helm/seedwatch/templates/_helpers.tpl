{{/* The name of all objects: that of the release, with the name of the chart if it lacks it. */}}
{{- define "seedwatch.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains .Chart.Name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* What selects the pod. It must never change. The name is the job of all series. */}}
{{- define "seedwatch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of all objects. */}}
{{- define "seedwatch.labels" -}}
{{ include "seedwatch.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* How to ask an endpoint: a probe without its period. The argument: the root and the path. */}}
{{- define "seedwatch.probe" -}}
{{- $probes := .root.Values.probes }}
{{- if $probes.onlyTcp }}
tcpSocket: {port: metrics}
{{- else }}
httpGet:
  path: {{ .path }}
  port: metrics
  {{- if ne $probes.scheme "HTTP" }}
  scheme: {{ $probes.scheme }}
  {{- end }}
  {{- with $probes.authorization }}
  httpHeaders:
    - {name: Authorization, value: {{ . | quote }}}
  {{- end }}
{{- end }}
{{- end }}
