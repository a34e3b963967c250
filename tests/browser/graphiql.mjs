// Drives GraphiQL as a user does: text is typed by the keyboard, results are read from the result pane.

export class GraphiQL {
  constructor(page) {
    this.page = page;
  }

  async waitUntilReady() {
    await this.page.locator('.graphiql-query-editor .CodeMirror').waitFor();
    await this.page.locator('.graphiql-editor-tool .CodeMirror:visible').waitFor();
  }

  async tabTitles() {
    return this.page.locator('.graphiql-tab-button').allTextContents();
  }

  /** Types a document of one named operation. GraphiQL reads the name a moment later and shows it on the tab. */
  async enterQuery(text) {
    const [, name] = text.match(/^\w+ (\w+)/);
    await this.#replace('.graphiql-query-editor .CodeMirror', text);
    await this.page.locator('.graphiql-tab-active').getByText(name, { exact: true }).waitFor();
  }

  async enterToken(token) {
    await this.page.locator('.graphiql-editor-tools button[data-name=headers]').click();
    await this.#replace('.graphiql-editor-tool .CodeMirror:visible', JSON.stringify({ Authorization: `Bearer ${token}` }));
  }

  /** Runs the document in the editor by GraphiQL's shortcut, and waits until the result contains `expected`. */
  async run(expected) {
    await this.start();
    await this.waitForResult(expected);
  }

  async start() {
    await this.page.locator('.graphiql-query-editor .CodeMirror').click();
    await this.page.keyboard.press('Control+Enter');
  }

  async stop() {
    await this.page.locator('.graphiql-execute-button').click();
  }

  async waitForResult(expected, timeout = 15_000) {
    try {
      await this.page.waitForFunction(
        (text) => document.querySelector('.graphiql-response .CodeMirror').CodeMirror.getValue().includes(text),
        expected,
        { timeout },
      );
    } catch (cause) {
      throw new Error(`the result does not contain ${expected}: ${await this.result()}`, { cause });
    }
  }

  /** Reads the result from the editor, since its elements hold only the lines in view. */
  result() {
    return this.page.locator('.graphiql-response .CodeMirror').evaluate((element) => element.CodeMirror.getValue());
  }

  async #replace(selector, text) {
    await this.page.locator(selector).click();
    await this.page.keyboard.press('Control+A');
    await this.page.keyboard.insertText(text);
  }
}
