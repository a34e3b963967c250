// GraphiQL as its user sees it: text goes in by the keyboard, answers are read from the result pane.

export class GraphiQL {
  constructor(page) {
    this.page = page;
  }

  async ready() {
    await this.page.locator('.graphiql-query-editor .CodeMirror').waitFor();
    await this.page.locator('.graphiql-editor-tool .CodeMirror:visible').waitFor();
  }

  async tabs() {
    return this.page.locator('.graphiql-tab-button').allTextContents();
  }

  /** Types a document of one named operation. GraphiQL reads the name a moment later and shows it on the tab. */
  async query(text) {
    const [, name] = text.match(/^\w+ (\w+)/);
    await this.#replace('.graphiql-query-editor .CodeMirror', text);
    await this.page.locator('.graphiql-tab-active').getByText(name, { exact: true }).waitFor();
  }

  async token(token) {
    await this.page.locator('.graphiql-editor-tools button[data-name=headers]').click();
    await this.#replace('.graphiql-editor-tool .CodeMirror:visible', JSON.stringify({ Authorization: `Bearer ${token}` }));
  }

  /** Runs what the editor holds, by the keys that GraphiQL documents, and waits until the result has `expected`. */
  async run(expected) {
    await this.start();
    await this.shows(expected);
  }

  async start() {
    await this.page.locator('.graphiql-query-editor .CodeMirror').click();
    await this.page.keyboard.press('Control+Enter');
  }

  async stop() {
    await this.page.locator('.graphiql-execute-button').click();
  }

  async shows(expected, timeout = 15_000) {
    try {
      await this.page.waitForFunction(
        (text) => document.querySelector('.graphiql-response .CodeMirror').CodeMirror.getValue().includes(text),
        expected,
        { timeout },
      );
    } catch (cause) {
      throw new Error(`the result has no ${expected}: ${await this.result()}`, { cause });
    }
  }

  /** Read from the editor and not from its elements, which are there for the lines in view alone. */
  result() {
    return this.page.locator('.graphiql-response .CodeMirror').evaluate((element) => element.CodeMirror.getValue());
  }

  async #replace(selector, text) {
    await this.page.locator(selector).click();
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.insertText(text);
  }
}
