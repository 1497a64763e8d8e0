import { isBuiltin } from 'node:module'
import { dirname, isAbsolute, relative } from 'node:path'
import type { OnLoadResult, OnResolveArgs, OnResolveResult, PartialMessage, Plugin, PluginBuild } from 'esbuild'
import type { PluginFiles } from './plugin-files.ts'

/** A package that the plugin imports and that does not run without Node. */
export interface NodeUse {
  /** As the plugin's own code imports it. */
  readonly specifier: string
  /** Modules of Node that the package and its own packages import. */
  readonly modules: readonly string[]
}

/** What esbuild may read and a plugin may import: the plugin's files, and `postern/sdk`, which the host injects. */
export function boundary(files: PluginFiles, uses: NodeUse[], refused: readonly NodeUse[]): Plugin {
  return {
    name: 'postern',
    setup(builder) {
      const imports = new Imports(files)
      builder.onResolve({ filter: /.*/ }, (args) => {
        if (args.pluginData === asked) return undefined
        if (args.kind !== 'entry-point') return resolveImport(builder, files, imports, refused, args)
        imports.addEntry(args.path)
        return refusal(files.problemOf(args.path))
      })
      builder.onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) => load(files, imports, path))
      builder.onLoad({ filter: /.*/, namespace: 'postern' }, () => ({
        contents: 'export const { definePlugin, reply } = globalThis.__postern',
      }))
      builder.onEnd(() => {
        uses.push(...imports.nodeUses())
      })
    },
  }
}

/** Marks questions of our own to esbuild's resolver. */
const asked = Symbol('asked')

async function resolveImport(
  builder: PluginBuild,
  files: PluginFiles,
  imports: Imports,
  refused: readonly NodeUse[],
  { path, kind, importer, resolveDir, namespace, with: attributes }: OnResolveArgs,
): Promise<OnResolveResult | undefined> {
  if (kind === 'dynamic-import') {
    return refusal(`import(${JSON.stringify(path)}): a plugin is one script; use a static import`)
  }
  if (kind !== 'import-statement' && kind !== 'require-call') return refusal(`${kind} of "${path}" is not possible`)
  const wrong = attributesProblem(attributes)
  if (wrong !== undefined) return refusal(wrong)
  if (path === 'postern/sdk') return { path, namespace: 'postern' }
  if (path === 'postern' || path.startsWith('postern/')) {
    return refusal(`a plugin may import "postern/sdk" only, not "${path}"`)
  }
  if (isBuiltin(path)) {
    if (files.isOwn(importer)) {
      return refusal(`"${path}" is a Node module, which plugins cannot import; a grant in \`needs\` may do the same`)
    }
    imports.addModule(importer, path)
    return { path, external: true }
  }
  if (isAbsolute(path) || /^[a-z][a-z\d+.-]*:/i.test(path)) {
    return refusal(`"${path}" is not a file of the plugin; import it by a relative path or by the name of a package`)
  }
  const use = files.isOwn(importer) ? refused.find(({ specifier }) => specifier === path) : undefined
  if (use !== undefined) return refusal(`"${packageName(path)}" needs Node (${listed(use.modules)})`)

  const isBare = !/^(?:\.{1,2}(?:\/|$)|#)/.test(path)
  const folder = isBare ? files.addPackage(packageName(path), importer) : undefined
  if (typeof folder === 'object') return refusal(folder.problem)
  const found = await builder.resolve(path, {
    kind,
    importer,
    namespace,
    resolveDir: resolveDir || dirname(importer),
    with: attributes,
    pluginData: asked,
  })
  if (found.errors.length > 0) return { errors: found.errors.map(({ text }) => ({ text })) }
  if (found.external || found.namespace !== 'file') return refusal(`"${path}" is not a file of the plugin`)
  const problem = files.problemOf(found.path)
  if (problem !== undefined) return refusal(`"${path}" cannot be imported: ${problem}`)
  imports.add(importer, path, found.path)
  // esbuild resolves it again, and then knows from the package.json how the module is to be read.
  return undefined
}

/** The last word on a file, whichever way esbuild has found it. */
function load(files: PluginFiles, imports: Imports, path: string): OnLoadResult {
  const refuse = (why: string): OnLoadResult => ({
    errors: [{ text: `${displayed(path)} cannot be imported: ${why}` }],
  })
  if (!imports.has(path)) return refuse('no import names it; a plugin cannot import by a pattern')
  const file = files.read(path)
  if ('problem' in file) return refuse(file.problem)
  if (file.loader === 'json' || !file.contents.includes('sourceMappingURL=')) return file
  // esbuild follows the last such comment to whatever file it names, and ignores one without a file.
  return { ...file, contents: Buffer.concat([file.contents, Buffer.from('\n//# sourceMappingURL=none:')]) }
}

function displayed(path: string): string {
  return JSON.stringify(relative(process.cwd(), path))
}

/** Attributes choose how esbuild reads a file: as text, as bytes. */
function attributesProblem(attributes: Readonly<Record<string, string>>): string | undefined {
  const wrong = Object.entries(attributes).find(([key, value]) => key !== 'type' || value !== 'json')
  return wrong && `an import cannot have the attribute ${wrong[0]}: "${wrong[1]}"; only type: "json" is allowed`
}

function refusal(text: string | undefined): { errors: PartialMessage[] } | undefined {
  return text === undefined ? undefined : { errors: [{ text }] }
}

function packageName(specifier: string): string {
  return /^(?:@[^/]*\/)?[^/]*/.exec(specifier)![0]
}

function listed(modules: readonly string[]): string {
  return modules.length > 3 ? `${modules.slice(0, 3).join(', ')}, …` : modules.join(', ')
}

/** Who imports whom, so that a module of Node can be traced to an import in the plugin's own code. */
class Imports {
  readonly #files: PluginFiles
  readonly #named = new Set<string>()
  readonly #imported = new Map<string, Set<string>>()
  readonly #modules = new Map<string, Set<string>>()
  /** Files of packages, by how the plugin's own code imports them. */
  readonly #packages = new Map<string, string>()

  constructor(files: PluginFiles) {
    this.#files = files
  }

  addEntry(path: string): void {
    this.#named.add(path)
  }

  /** Whether an import names this file. */
  has(path: string): boolean {
    return this.#named.has(path)
  }

  add(importer: string, specifier: string, file: string): void {
    this.#named.add(file)
    put(this.#imported, importer, file)
    if (this.#files.isOwn(importer) && !this.#files.isOwn(file)) this.#packages.set(specifier, file)
  }

  addModule(importer: string, module: string): void {
    put(this.#modules, importer, module)
  }

  nodeUses(): NodeUse[] {
    if (this.#modules.size === 0) return []
    const uses: NodeUse[] = []
    for (const [specifier, file] of this.#packages) {
      const modules = new Set<string>()
      const reached = new Set([file])
      for (const one of reached) {
        for (const module of this.#modules.get(one) ?? []) modules.add(module)
        for (const next of this.#imported.get(one) ?? []) reached.add(next)
      }
      if (modules.size > 0) uses.push({ specifier, modules: [...modules] })
    }
    return uses
  }
}

function put(table: Map<string, Set<string>>, key: string, value: string): void {
  const values = table.get(key)
  if (values === undefined) table.set(key, new Set([value]))
  else values.add(value)
}
